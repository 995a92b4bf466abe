// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "base/descriptor.h"

namespace lockstep {

// When its pages cost memory.
enum class Pages {
  kReserved,   // at once: nobody is ended for want of one later
  kAsTouched,  // where much of it may never be touched
};

// A mapping of memory that several processes have: what one writes, the others read. It has no name anywhere,
// and is gone with the last of them, however they end. Local.
class SharedMemory {
 public:
  // Zeros. Throws Fault (69) when there is no room for all of it now.
  static Descriptor make(std::size_t bytes, Pages pages);

  // Throws Fault (69).
  SharedMemory(const Descriptor& file, std::size_t bytes);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return bytes_; }

  // From the page at `begin` on the memory becomes this process's own, zeros.
  void keep_private_from(std::size_t begin);

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_;
};

}  // namespace lockstep
