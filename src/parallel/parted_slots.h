// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstddef>
#include <vector>

#include "lockstep/comm/world.h"
#include "tensors/slice.h"

namespace lockstep {

// Optimizer slots of which ranks have only what they update (ZeRO stage 1, Rajbhandari et al. 2020): the
// memory of the rest is not there. Whoever writes a checkpoint fetches what it lacks, and drops it again.
class PartedSlots {
 public:
  virtual ~PartedSlots() = default;

  // Elements of the index-th slot.
  struct Part {
    std::size_t slot;
    Slice elements;
  };
  // Who updates what. Ranks of one home have one memory.
  struct Owner {
    Slice elements;
    int rank;
    std::size_t home;
  };
  // What a checkpoint has, in host memory; laid out as the trainable parameters.
  const std::vector<torch::Tensor>& slots() const { return slots_; }
  // Of the parts that this rank updates.
  virtual std::size_t own_bytes() const;

  // Of each rank, alike on all; no two ranks want the same.
  using Wanted = std::vector<std::vector<Part>>;
  // Collective. They are there until drop(), which comes first where it was not called.
  void fetch(const Wanted& wanted);
  // Local. How much host memory that takes on this rank.
  std::size_t bytes_to_fetch(const Wanted& wanted) const;
  // Local. What this rank has fetched.
  void drop();

  // Local. A restore has filled all: what this rank updates is taken over from there …
  virtual void take_over() {}
  // … and, once all ranks have, what others update is dropped.
  virtual void drop_what_others_update() {}

 protected:
  PartedSlots(World& world, std::vector<Owner> owners, std::vector<torch::Tensor> slots);

  const std::vector<Owner>& owners() const { return owners_; }
  int rank() const { return world_.rank().value; }
  virtual std::size_t home_of(int rank) const = 0;
  // Local. The first of fetch(): what this rank updates is in the slots, too; those parts are added to
  // `there`, to be dropped.
  virtual void show_own(std::vector<Part>& /*there*/) {}
  virtual std::size_t shown_bytes() const { return 0; }
  virtual void let_go(const std::vector<Part>& parts) const = 0;

 private:
  struct Missing {
    Part part;
    int owner;
  };
  std::vector<Missing> missing(const Wanted& wanted, int to) const;

  World& world_;
  std::vector<Owner> owners_;
  std::vector<torch::Tensor> slots_;
  std::vector<Part> there_;
};

}  // namespace lockstep
