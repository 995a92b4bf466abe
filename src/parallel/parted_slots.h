// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstddef>
#include <vector>

#include "comm/domain/host_domain.h"
#include "parallel/slice.h"

namespace lockstep {

// Optimizer slots of which a domain has only what its ranks update (ZeRO stage 1, Rajbhandari et al. 2020):
// the memory of the rest is not there. Whoever writes a checkpoint fetches what it lacks, and drops it again.
class PartedSlots {
 public:
  // `slots`: in common in each domain, as touched; laid out as the trainable parameters. Both outlive it.
  PartedSlots(HostDomain& domain, std::vector<torch::Tensor> slots);

  // Elements of the index-th slot.
  struct Part {
    std::size_t slot;
    Slice elements;
  };
  const std::vector<torch::Tensor>& slots() const { return slots_; }
  // Of the parts that this rank updates.
  std::size_t own_bytes() const;

  // Collective. `wanted`: of each rank, alike on all; no two ranks want the same. They are there until
  // drop(), which comes first where it was not called.
  void fetch(const std::vector<std::vector<Part>>& wanted);
  // Local. What this rank has fetched.
  void drop();
  // Local. All that no rank of this domain updates, of a rank for all of them: after a restore, which fills
  // all.
  void drop_what_others_update();

 private:
  // Who updates what, ascending.
  struct Owner {
    Slice elements;
    int rank;
    std::size_t domain;
  };
  void let_go(const Part& part) const;

  HostDomain& domain_;
  std::vector<torch::Tensor> slots_;
  std::vector<Owner> owners_;
  std::vector<Part> fetched_;
};

}  // namespace lockstep
