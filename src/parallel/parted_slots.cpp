// SPDX-License-Identifier: Apache-2.0
#include "parallel/parted_slots.h"

#include <algorithm>
#include <utility>

#include "tensors/tensor_span.h"

namespace lockstep {

PartedSlots::PartedSlots(World& world, std::vector<Owner> owners, std::vector<torch::Tensor> slots)
    : world_(world), owners_(std::move(owners)), slots_(std::move(slots)) {}

std::size_t PartedSlots::own_bytes() const {
  std::size_t bytes = 0;
  for (const Owner& owner : owners_)
    if (owner.rank == rank())
      bytes += static_cast<std::size_t>(owner.elements.count()) * slots_[0].element_size() * slots_.size();
  return bytes;
}

std::vector<PartedSlots::Missing> PartedSlots::missing(const Wanted& wanted, int to) const {
  std::vector<Missing> missing;
  const std::size_t home = home_of(to);
  for (const Part& part : wanted[static_cast<std::size_t>(to)])
    for (const Owner& owner : owners_) {
      const Slice both{std::max(part.elements.begin, owner.elements.begin),
                       std::min(part.elements.end, owner.elements.end)};
      if (both.count() > 0 && owner.home != home) missing.push_back({{part.slot, both}, owner.rank});
    }
  return missing;
}

std::size_t PartedSlots::bytes_to_fetch(const Wanted& wanted) const {
  std::size_t bytes = shown_bytes();
  for (const Missing& one : missing(wanted, rank()))
    bytes += static_cast<std::size_t>(one.part.elements.count()) * slots_[one.part.slot].element_size();
  return bytes;
}

void PartedSlots::fetch(const Wanted& wanted) {
  drop();
  show_own(there_);
  std::vector<Outgoing> sends;
  std::vector<Incoming> receives;
  for (int to = 0; to < std::ssize(wanted); ++to)
    for (const auto& [part, owner] : missing(wanted, to)) {
      const Slice elements = part.elements;
      const auto values = span_of(slots_[part.slot].narrow(0, elements.begin, elements.count()));
      if (owner == rank()) sends.push_back({values, Rank(to)});
      if (to != rank()) continue;
      receives.push_back({values, Rank(owner)});
      there_.push_back(part);
    }
  world_.host().exchange(sends, receives);
}

void PartedSlots::drop() {
  if (!there_.empty()) let_go(there_);
  there_.clear();
}

}  // namespace lockstep
