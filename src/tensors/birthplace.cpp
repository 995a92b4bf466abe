// SPDX-License-Identifier: Apache-2.0
#include "tensors/birthplace.h"

#include <utility>

#include "tensors/keeping_allocator.h"

namespace lockstep {
namespace {

// Addresses cost nothing; fragments of runs of unequal length do.
constexpr std::size_t kAmple = 4;

}  // namespace

Birthplace::Birthplace(std::shared_ptr<Nursery> nursery) : nursery_(std::move(nursery)) {}

std::unique_ptr<Birthplace> Birthplace::make(std::set<std::size_t> lengths, std::size_t room) {
  KeepingAllocator* const allocator = KeepingAllocator::installed();
  if (allocator == nullptr || !allocator->is_used()) return nullptr;
  auto range = MemoryRange::reserve(kAmple * room + MemoryRange::kLeast, Backing::kShared);
  if (range == nullptr) return nullptr;
  auto nursery = std::make_shared<Nursery>(std::move(lengths), std::move(range));
  allocator->add(nursery);
  return std::unique_ptr<Birthplace>(new Birthplace(std::move(nursery)));
}

Birthplace::~Birthplace() {
  KeepingAllocator::installed()->close(*nursery_);
}

const KeptMemory& Birthplace::memory() const {
  return nursery_->memory;
}

}  // namespace lockstep
