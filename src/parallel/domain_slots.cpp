// SPDX-License-Identifier: Apache-2.0
#include "parallel/domain_slots.h"

#include <algorithm>
#include <utility>

#include "optim/clip.h"
#include "parallel/common_tensors.h"
#include "parallel/domain_slices.h"

namespace lockstep {
namespace {

std::vector<PartedSlots::Owner> owners_of(const HostDomain& domain, const std::vector<torch::Tensor>& slots) {
  std::vector<PartedSlots::Owner> owners;
  for (std::size_t i = 0; i < domain.domains().size() && !slots.empty(); ++i)
    for (const int rank : domain.domains()[i])
      for (const Slice& own : DomainSlices(slots[0].numel(), kNormBlock, domain.domains(), rank).own)
        owners.push_back({own, rank, i});
  std::ranges::sort(owners, {}, [](const PartedSlots::Owner& owner) { return owner.elements.begin; });
  return owners;
}

}  // namespace

DomainSlots::DomainSlots(HostDomain& domain, std::vector<torch::Tensor> common)
    : PartedSlots(domain.world(), owners_of(domain, common), common), domain_(domain) {
  // The memory of this rank's own is taken now, not in the midst of a step.
  for (const Owner& owner : owners())
    for (const torch::Tensor& slot : slots())
      if (owner.rank == rank()) slot.narrow(0, owner.elements.begin, owner.elements.count()).zero_();
}

// Of what no rank of this domain updates, a rank for all of them.
void DomainSlots::drop_what_others_update() {
  std::vector<Part> others;
  for (std::size_t slot = 0; slot < slots().size() && domain_.rank() == 0; ++slot)
    for (const Owner& owner : owners())
      if (owner.home != domain_.index()) others.push_back({slot, owner.elements});
  let_go(others);
}

void DomainSlots::let_go(const std::vector<Part>& parts) const {
  for (const auto& [slot, elements] : parts)
    give_back_pages(slots()[slot].narrow(0, elements.begin, elements.count()));
}

}  // namespace lockstep
