// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <c10/core/CPUAllocator.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/available_memory.h"
#include "memory/kept_memory.h"

namespace lockstep {

// Memory for tensors of these lengths in bytes alone.
struct Nursery {
  Nursery(std::set<std::size_t> of, std::unique_ptr<MemoryRange> range)
      : lengths(std::move(of)), memory(std::move(range), MemoryRoom(available_memory)) {}

  std::set<std::size_t> lengths;
  KeptMemory memory;
  bool open = true;
};

// LibTorch's CPU allocator in one process (keep_tensors()). Like the one that it replaces it is never
// destroyed: tensors may be freed after everything else is.
class KeepingAllocator final : public c10::Allocator {
 public:
  // Null before install().
  static KeepingAllocator* installed();
  // Once; by the main thread.
  static void install(std::unique_ptr<MemoryRange> range);

  c10::DataPtr allocate(std::size_t bytes) override;
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* target, const void* source, std::size_t bytes) const override {
    default_copy_data(target, source, bytes);
  }

  KeptMemory& memory() { return memory_; }
  void keep(bool keeps) { keeps_ = keeps; }
  // Does LibTorch ask it, and does it keep?
  bool is_used() const { return keeps_ && c10::GetCPUAllocator() == this; }
  void trim();

  void add(std::shared_ptr<Nursery> nursery);
  // No tensor is made there from here on; it goes with the last one that was.
  void close(const Nursery& nursery);

 private:
  explicit KeepingAllocator(std::unique_ptr<MemoryRange> range);
  static void release(void* place);
  static void survive_forks();

  void* take_in_nursery(std::size_t bytes);
  bool give_to_nursery(void* place);
  // Throws c10::Error when there is no memory.
  void* allocate_elsewhere(std::size_t bytes);
  void before_fork();
  void after_fork_in_parent();
  void after_fork_in_child();

  KeptMemory memory_;
  std::atomic<bool> keeps_ = true;
  std::atomic<bool> said_full_ = false;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Nursery>> nurseries_;
  std::atomic<std::size_t> nursery_count_ = 0;  // read without the mutex: mostly there is none
};

}  // namespace lockstep
