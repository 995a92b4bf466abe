// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "lockstep/base/units.h"

namespace lockstep {

// Which samples a step trains on: a pure function of (seed, epoch, position), the same on every rank, at any
// world size and after any resume. An epoch is floor(size / global_batch) steps; the rest of that epoch's
// order is left out. All functions are Local, O(1) and without state.
struct SampleOrder {
  std::uint64_t seed = 0;
  std::int64_t size = 0;
  std::int64_t global_batch = 1;
  bool shuffle = true;

  // Throws Fault (78) when an epoch would have no step.
  std::int64_t steps_per_epoch() const;
  // Samples that an epoch trains on, and those of them that step (>= 1) and the steps before it have had.
  std::int64_t samples_per_epoch() const { return steps_per_epoch() * global_batch; }
  std::int64_t offset_after(Step step) const;
  // Samples that each epoch leaves out.
  std::int64_t left_out() const;
  // The epoch that step (>= 1) belongs to.
  Epoch epoch_of(Step step) const;
  // The dataset index of sample `position` (0 <= position < global_batch) of step (>= 1).
  std::int64_t index_of(Step step, std::int64_t position) const;
};

}  // namespace lockstep
