// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "comm/domain/host_domain.h"
#include "parallel/parted_slots.h"

namespace lockstep {

// Where ranks of a host have slots in common: each domain has what its ranks update, in place.
class DomainSlots : public PartedSlots {
 public:
  // `slots`: in common in each domain, as touched. Both outlive it.
  DomainSlots(HostDomain& domain, std::vector<torch::Tensor> slots);

  void drop_what_others_update() override;

 protected:
  std::size_t home_of(int rank) const override { return domain_.domain_of(rank); }
  void let_go(const std::vector<Part>& parts) const override;

 private:
  HostDomain& domain_;
};

}  // namespace lockstep
