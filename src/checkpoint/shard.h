// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "checkpoint/state.h"

namespace lockstep {

// Rows of one tensor that go into one file. `tensor` counts in the state's tensors, sorted by path.
struct ShardPiece {
  std::size_t tensor = 0;
  std::int64_t first_row = 0;
  std::int64_t rows = 1;  // of dimension 0; 1 of a 0-dim tensor
};

// Which file holds what: a pure function of the tensors and the number of shards, so that every rank knows
// all of it without a message.
struct ShardPlan {
  struct Shard {
    std::string file;                // name in the checkpoint directory
    std::vector<ShardPiece> pieces;  // by tensor; at most one of a tensor
  };
  std::string layout;
  std::vector<Shard> shards;
};

// All tensors whole in one file, checkpoint.h5.
ShardPlan plan_consolidated(std::span<const StateTensor> tensors);

// A state and the files it goes into. Spans and pointers belong to the caller.
struct PlannedState {
  const TrainRecord* record = nullptr;
  std::vector<StateTensor> tensors;  // sorted by path
  ShardPlan plan;
};

// Local. The tensors sorted by path, planned as `consolidated`. Throws Bug when two have one path.
PlannedState plan_state(const CheckpointState& state);

// The bytes of a piece, as a tensor of its rows alone.
StateTensor piece_of(std::span<const StateTensor> tensors, const ShardPiece& piece);

}  // namespace lockstep
