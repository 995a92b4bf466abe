// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "memory/sparse_memory.h"
#include "optim/optimizer.h"
#include "parallel/parted_slots.h"
#include "parallel/rank_cut.h"

namespace lockstep {

// Where ranks exchange messages: each has the optimizer slots of its part of the parameters alone, on its
// device, and of the few elements that are left over, which every rank updates. Those of a checkpoint lie
// beside them, in host memory that is there between fetch() and drop() only.
class RankSlots : public PartedSlots {
 public:
  // From here on `optimizer`, which outlives it and whose updates are elementwise, updates this rank's
  // elements alone. Local. Throws Fault (69).
  RankSlots(World& world, const RankCut& cut, FlatOptimizer& optimizer);

  std::size_t own_bytes() const override;
  void take_over() override;

 protected:
  std::size_t home_of(int rank) const override { return static_cast<std::size_t>(rank); }
  void show_own(std::vector<Part>& there) override;
  std::size_t shown_bytes() const override { return own_bytes(); }
  // All of it: nothing else lies there.
  void let_go(const std::vector<Part>& parts) const override;

 private:
  // What this rank has of each slot, and as what elements.
  struct Own {
    std::size_t slot;
    Slice elements;
    torch::Tensor live;
  };
  std::vector<Own> own() const;
  torch::Tensor of(const Part& part) const;

  FlatOptimizer& optimizer_;
  std::vector<Slice> parts_;
};

}  // namespace lockstep
