// SPDX-License-Identifier: Apache-2.0
#include "tensors/keeping_allocator.h"

#include <c10/core/impl/alloc_cpu.h>
#include <pthread.h>

#include <algorithm>

#include "base/available_memory.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

// The default has 0; of equal ones the last wins.
constexpr std::uint8_t kPriority = 1;

// A deleter of LibTorch's is a bare function, and so are the handlers of a fork: they find it here.
std::atomic<KeepingAllocator*> the_allocator = nullptr;

}  // namespace

KeepingAllocator::KeepingAllocator(std::unique_ptr<MemoryRange> range)
    : memory_(std::move(range), MemoryRoom(available_memory)) {}

KeepingAllocator* KeepingAllocator::installed() {
  return the_allocator.load();
}

void KeepingAllocator::install(std::unique_ptr<MemoryRange> range) {
  the_allocator = new KeepingAllocator(std::move(range));
  survive_forks();
  c10::SetCPUAllocator(the_allocator.load(), kPriority);
}

c10::DataPtr KeepingAllocator::allocate(std::size_t bytes) {
  void* place = nullptr;
  if (bytes >= KeptMemory::kSmallest && keeps_) {
    place = take_in_nursery(bytes);
    if (place == nullptr) place = memory_.take(bytes);
  }
  if (place == nullptr) place = allocate_elsewhere(bytes);
  c10::profiledCPUMemoryReporter().New(place, bytes);
  return {place, place, &release, c10::Device(c10::DeviceType::CPU)};
}

void KeepingAllocator::release(void* place) {
  c10::profiledCPUMemoryReporter().Delete(place);
  KeepingAllocator& mine = *the_allocator.load();
  if (mine.memory_.owns(place)) return mine.memory_.give(place);
  if (!mine.give_to_nursery(place)) c10::free_cpu(place);
}

void* KeepingAllocator::take_in_nursery(std::size_t bytes) {
  if (nursery_count_ == 0) return nullptr;
  const std::lock_guard lock(mutex_);
  for (const auto& nursery : nurseries_)
    if (nursery->open && nursery->lengths.contains(bytes)) return nursery->memory.take(bytes);
  return nullptr;
}

bool KeepingAllocator::give_to_nursery(void* place) {
  if (nursery_count_ == 0) return false;
  const std::lock_guard lock(mutex_);
  const auto owner =
      std::ranges::find_if(nurseries_, [&](const auto& nursery) { return nursery->memory.owns(place); });
  if (owner == nurseries_.end()) return false;
  (*owner)->memory.give(place);
  if (!(*owner)->open && (*owner)->memory.use().in_use == 0) nurseries_.erase(owner);
  nursery_count_ = nurseries_.size();
  return true;
}

void* KeepingAllocator::allocate_elsewhere(std::size_t bytes) {
  void* place = c10::alloc_cpu(bytes);
  if (bytes >= KeptMemory::kSmallest && keeps_ && !said_full_.exchange(true))
    log_warning("memory.keep: the {} bytes of address space for tensors have no place for {} more: slower",
                memory_.size(), bytes);
  return place;
}

void KeepingAllocator::trim() {
  memory_.trim();
  const std::lock_guard lock(mutex_);
  for (const auto& nursery : nurseries_) nursery->memory.trim();
}

void KeepingAllocator::add(std::shared_ptr<Nursery> nursery) {
  const std::lock_guard lock(mutex_);
  nurseries_.push_back(std::move(nursery));
  nursery_count_ = nurseries_.size();
}

void KeepingAllocator::close(const Nursery& nursery) {
  const std::lock_guard lock(mutex_);
  for (const auto& one : nurseries_)
    if (one.get() == &nursery) one->open = false;
  std::erase_if(nurseries_, [](const auto& one) { return !one->open && one->memory.use().in_use == 0; });
  nursery_count_ = nurseries_.size();
}

void KeepingAllocator::survive_forks() {
  ::pthread_atfork([] { the_allocator.load()->before_fork(); },
                   [] { the_allocator.load()->after_fork_in_parent(); },
                   [] { the_allocator.load()->after_fork_in_child(); });
}

void KeepingAllocator::before_fork() {
  mutex_.lock();
  for (const auto& nursery : nurseries_) nursery->memory.before_fork();
  memory_.before_fork();
}

void KeepingAllocator::after_fork_in_parent() {
  memory_.after_fork_in_parent();
  for (const auto& nursery : nurseries_) nursery->memory.after_fork_in_parent();
  mutex_.unlock();
}

void KeepingAllocator::after_fork_in_child() {
  memory_.after_fork_in_child();
  for (const auto& nursery : nurseries_) nursery->memory.after_fork_in_child();
  mutex_.unlock();
}

}  // namespace lockstep
