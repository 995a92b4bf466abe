// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "lockstep/base/units.h"

namespace lockstep {

// Where in its data a run goes on: behind `step`, the last one that is done.
struct DataPlace {
  Step step{0};
  Epoch epoch{0};           // of that step
  std::int64_t offset = 0;  // samples of that epoch's order that are behind it; all of them: it is over
};

// Which samples a step trains on: a pure function of (seed, epoch, position), the same on every rank, at any
// world size and after any resume. An epoch is floor(size / global_batch) steps; the rest of that epoch's
// order is left out. Steps are counted from `start` on, so that a run whose global batch was changed goes on
// at the same sample of the same epoch. All functions are Local, O(1) and without state.
struct SampleOrder {
  std::uint64_t seed = 0;
  std::int64_t size = 0;
  std::int64_t global_batch = 1;
  bool shuffle = true;
  DataPlace start = {};

  // Of a whole epoch. Throws Fault (78) when an epoch would have no step.
  std::int64_t steps_per_epoch() const;
  // Samples that each whole epoch leaves out.
  std::int64_t left_out() const;
  // The epoch that step (>= 1, not before the start) belongs to.
  Epoch epoch_of(Step step) const;
  // Samples of that epoch's order that are trained on once the step is done, and once the epoch is over.
  std::int64_t offset_after(Step step) const;
  std::int64_t samples_of(Epoch epoch) const;
  // The step at which so many epochs are over; the start's where they are already.
  Step end_of(std::int64_t epochs) const;
  // The dataset index of sample `position` (0 <= position < global_batch) of step (> the start's).
  std::int64_t index_of(Step step, std::int64_t position) const;

 private:
  struct Reading {
    Epoch epoch{0};
    std::int64_t first = 0;  // in that epoch's order
  };
  // What a step reads; of the start, what lies behind it.
  Reading reading(Step step) const;
  std::int64_t steps_left() const;  // of the start's epoch
};

}  // namespace lockstep
