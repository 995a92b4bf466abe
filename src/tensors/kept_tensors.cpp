// SPDX-License-Identifier: Apache-2.0
#include "tensors/kept_tensors.h"

#include "base/available_memory.h"
#include "lockstep/base/log.h"
#include "tensors/keeping_allocator.h"

namespace lockstep {
namespace {

bool is_heard() {
  if (c10::GetCPUAllocator() == KeepingAllocator::installed()) return true;
  log_info("memory.keep: this program has set a CPU allocator of its own, which stays");
  return false;
}

}  // namespace

bool keep_tensors() {
  if (KeepingAllocator* allocator = KeepingAllocator::installed()) {
    allocator->keep(true);
    return is_heard();
  }
  if (c10::GetCPUAllocator() != c10::GetDefaultCPUAllocator()) return is_heard();
  std::unique_ptr<MemoryRange> range = MemoryRange::reserve(machine_memory(), Backing::kPrivate);
  if (range == nullptr) {
    log_info("memory.keep: this system reserves no addresses ahead; tensors come from malloc");
    return false;
  }
  KeepingAllocator::install(std::move(range));
  return is_heard();
}

void stop_keeping_tensors() {
  if (KeepingAllocator* allocator = KeepingAllocator::installed()) allocator->keep(false);
}

void trim_kept_tensors() {
  if (KeepingAllocator* allocator = KeepingAllocator::installed()) allocator->trim();
}

KeptMemory* kept_tensors() {
  KeepingAllocator* allocator = KeepingAllocator::installed();
  return allocator == nullptr ? nullptr : &allocator->memory();
}

}  // namespace lockstep
