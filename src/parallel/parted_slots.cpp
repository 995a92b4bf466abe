// SPDX-License-Identifier: Apache-2.0
#include "parallel/parted_slots.h"

#include <algorithm>
#include <utility>

#include "optim/clip.h"
#include "parallel/common_tensors.h"
#include "parallel/domain_slices.h"
#include "tensors/tensor_span.h"

namespace lockstep {

PartedSlots::PartedSlots(HostDomain& domain, std::vector<torch::Tensor> slots)
    : domain_(domain), slots_(std::move(slots)) {
  for (std::size_t i = 0; i < domain.domains().size() && !slots_.empty(); ++i)
    for (const int rank : domain.domains()[i])
      for (const Slice& own : DomainSlices(slots_[0].numel(), kNormBlock, domain.domains(), rank).own)
        owners_.push_back({own, rank, i});
  std::ranges::sort(owners_, {}, [](const Owner& owner) { return owner.elements.begin; });
  // The memory of this rank's own is taken now, not in the midst of a step.
  for (const Owner& owner : owners_)
    for (const torch::Tensor& slot : slots_)
      if (owner.rank == domain.world().rank().value)
        slot.narrow(0, owner.elements.begin, owner.elements.count()).zero_();
}

std::size_t PartedSlots::own_bytes() const {
  std::size_t bytes = 0;
  for (const Owner& owner : owners_)
    if (owner.rank == domain_.world().rank().value)
      bytes += static_cast<std::size_t>(owner.elements.count()) * slots_[0].element_size() * slots_.size();
  return bytes;
}

void PartedSlots::fetch(const std::vector<std::vector<Part>>& wanted) {
  drop();
  const int me = domain_.world().rank().value;
  std::vector<Outgoing> sends;
  std::vector<Incoming> receives;
  for (std::size_t rank = 0; rank < wanted.size(); ++rank) {
    const std::size_t home = domain_.domain_of(static_cast<int>(rank));
    for (const Part& part : wanted[rank])
      for (const Owner& owner : owners_) {
        const Slice both{std::max(part.elements.begin, owner.elements.begin),
                         std::min(part.elements.end, owner.elements.end)};
        if (both.count() <= 0 || owner.domain == home) continue;
        const auto values = span_of(slots_[part.slot].narrow(0, both.begin, both.count()));
        if (owner.rank == me) sends.push_back({values, Rank(static_cast<int>(rank))});
        if (static_cast<int>(rank) != me) continue;
        receives.push_back({values, Rank(owner.rank)});
        fetched_.push_back({part.slot, both});
      }
  }
  domain_.world().host().exchange(sends, receives);
}

void PartedSlots::drop() {
  for (const Part& part : fetched_) let_go(part);
  fetched_.clear();
}

void PartedSlots::drop_what_others_update() {
  for (std::size_t slot = 0; slot < slots_.size() && domain_.rank() == 0; ++slot)
    for (const Owner& owner : owners_)
      if (owner.domain != domain_.index()) let_go({slot, owner.elements});
}

void PartedSlots::let_go(const Part& part) const {
  give_back_pages(slots_[part.slot].narrow(0, part.elements.begin, part.elements.count()));
}

}  // namespace lockstep
