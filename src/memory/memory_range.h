// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

#include "base/descriptor.h"
#include "memory/touched_chunks.h"

namespace lockstep {

// What lies behind a range of addresses.
enum class Backing {
  kPrivate,  // this process's alone, in huge pages where there are
  kShared,   // a file without a name, whose descriptor another process of this host can map
};

// Addresses reserved as a whole; only what is touched costs memory. A shared one is never cut shorter
// (sealed: who maps it shall get no SIGBUS), not inherited by programs that are started, not mapped in
// children that fork, and in no core dump. Its pages live until the last mapping and descriptor are gone, by
// whatever end. Local.
class MemoryRange {
 public:
  // Less is not worth the name.
  static constexpr std::size_t kLeast = std::size_t{64} << 20;

  // As near to `wanted` as the limits of this process allow, in whole chunks. Null where the kernel gives no
  // range worth the name, or counts every reserved byte as used (vm.overcommit_memory=2).
  static std::unique_ptr<MemoryRange> reserve(std::size_t wanted, Backing backing);
  ~MemoryRange();
  MemoryRange(const MemoryRange&) = delete;
  MemoryRange& operator=(const MemoryRange&) = delete;

  std::byte* base() const { return base_; }
  std::size_t size() const { return size_; }
  Backing backing() const { return backing_; }
  // -1 for a private one.
  int descriptor() const { return file_.get(); }

  // In a child that forked, of a shared range: nothing else is mapped where it was, so that an address of the
  // parent's is never one of the child's own.
  void hold_addresses() const;
  // The pages of whole chunks go back to the system, for everybody who maps them; they read as zeros then.
  void give_back(const MemoryPart& part) const;

 private:
  MemoryRange(std::size_t size, Backing backing);
  bool map(int protection);
  bool map_file();

  std::size_t size_;
  Backing backing_;
  Descriptor file_;
  std::byte* base_ = nullptr;
  void* mapping_ = nullptr;  // a chunk longer: base_ is where its first whole one begins
};

}  // namespace lockstep
