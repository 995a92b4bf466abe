// SPDX-License-Identifier: Apache-2.0
#include "tensors/kept_tensors.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <pthread.h>

#include <atomic>

#include "base/available_memory.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

// The default has 0; of equal ones the last wins.
constexpr std::uint8_t kPriority = 1;

// LibTorch's CPU allocator in one process. Like the one that it replaces it is never destroyed: tensors may
// be freed after everything else is.
class KeepingAllocator final : public c10::Allocator {
 public:
  explicit KeepingAllocator(std::unique_ptr<MemoryRange> range)
      : memory_(std::move(range), MemoryRoom(available_memory)) {}

  c10::DataPtr allocate(std::size_t bytes) override {
    void* place = bytes >= KeptMemory::kSmallest && keeps_ ? memory_.take(bytes) : nullptr;
    if (place == nullptr) place = allocate_elsewhere(bytes);
    c10::profiledCPUMemoryReporter().New(place, bytes);
    return {place, place, &release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* target, const void* source, std::size_t bytes) const override {
    default_copy_data(target, source, bytes);
  }

  KeptMemory& memory() { return memory_; }
  void keep(bool keeps) { keeps_ = keeps; }

 private:
  static void release(void* place);

  // Throws c10::Error when there is no memory.
  void* allocate_elsewhere(std::size_t bytes) {
    void* place = c10::alloc_cpu(bytes);
    if (bytes >= KeptMemory::kSmallest && keeps_ && !said_full_.exchange(true))
      log_warning("memory.keep: the {} bytes of address space for tensors have no place for {} more: slower",
                  memory_.size(), bytes);
    return place;
  }

  KeptMemory memory_;
  std::atomic<bool> keeps_ = true;
  std::atomic<bool> said_full_ = false;
};

// A deleter of LibTorch's is a bare function, and so are the handlers of a fork: they find it here.
std::atomic<KeepingAllocator*> installed = nullptr;

void KeepingAllocator::release(void* place) {
  c10::profiledCPUMemoryReporter().Delete(place);
  KeptMemory& memory = installed.load()->memory_;
  memory.owns(place) ? memory.give(place) : c10::free_cpu(place);
}

void survive_forks() {
  ::pthread_atfork([] { installed.load()->memory().before_fork(); },
                   [] { installed.load()->memory().after_fork_in_parent(); },
                   [] {
                     KeepingAllocator& mine = *installed.load();
                     mine.memory().after_fork_in_child();
                     if (mine.memory().descriptor() >= 0) mine.keep(false);
                   });
}

bool is_heard() {
  if (c10::GetCPUAllocator() == installed.load()) return true;
  log_info("memory.keep: this program has set a CPU allocator of its own, which stays");
  return false;
}

}  // namespace

bool keep_tensors(Backing backing) {
  if (KeepingAllocator* allocator = installed.load()) {
    allocator->keep(true);
    return is_heard();
  }
  if (c10::GetCPUAllocator() != c10::GetDefaultCPUAllocator()) return is_heard();
  std::unique_ptr<MemoryRange> range = MemoryRange::reserve(machine_memory(), backing);
  if (range == nullptr) {
    log_info("memory.keep: this system reserves no addresses ahead; tensors come from malloc");
    return false;
  }
  installed = new KeepingAllocator(std::move(range));
  survive_forks();
  c10::SetCPUAllocator(installed.load(), kPriority);
  return is_heard();
}

void stop_keeping_tensors() {
  if (KeepingAllocator* allocator = installed.load()) allocator->keep(false);
}

KeptMemory* kept_tensors() {
  KeepingAllocator* allocator = installed.load();
  return allocator == nullptr ? nullptr : &allocator->memory();
}

}  // namespace lockstep
