// SPDX-License-Identifier: Apache-2.0
#include "data/sample_order.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/refuse.h"
#include "lockstep/base/error.h"
#include "lockstep/base/random.h"

namespace lockstep {
namespace {

// Keeps the keys of the sample order apart from those of other uses of the same seed.
constexpr std::uint64_t kOrderKey = 0x6f72646572;

}  // namespace

std::int64_t SampleOrder::steps_per_epoch() const {
  check(global_batch >= 1, "a global batch holds at least one sample");
  const std::int64_t steps = size / global_batch;
  if (steps < 1)
    refuse_option(fmt::format("the training data has {} samples, fewer than train.global_batch = {}", size,
                              global_batch),
                  "Lower train.global_batch or train on more data.");
  return steps;
}

std::int64_t SampleOrder::left_out() const {
  return size - steps_per_epoch() * global_batch;
}

std::int64_t SampleOrder::steps_left() const {
  // Data that has become smaller may end before the place.
  return std::max<std::int64_t>(size - start.offset, 0) / global_batch;
}

SampleOrder::Reading SampleOrder::reading(Step step) const {
  check(step.value >= std::max<std::int64_t>(start.step.value, 1), "a step is not before the run's start");
  const std::int64_t ahead = step.value - start.step.value;  // steps from the start, this one included
  const std::int64_t left = steps_left();
  if (ahead <= left || ahead == 0) return {start.epoch, start.offset + (ahead - 1) * global_batch};
  const std::int64_t behind = ahead - left - 1;
  const std::int64_t whole = steps_per_epoch();
  return {Epoch(start.epoch.value + 1 + behind / whole), behind % whole * global_batch};
}

Epoch SampleOrder::epoch_of(Step step) const {
  return reading(step).epoch;
}

std::int64_t SampleOrder::offset_after(Step step) const {
  return reading(step).first + global_batch;
}

std::int64_t SampleOrder::samples_of(Epoch epoch) const {
  const bool begun = epoch == start.epoch;
  return begun ? start.offset + steps_left() * global_batch : steps_per_epoch() * global_batch;
}

Step SampleOrder::end_of(std::int64_t epochs) const {
  const std::int64_t whole = epochs - 1 - start.epoch.value;
  if (whole < 0) return start.step;
  return Step(start.step.value + steps_left() + whole * steps_per_epoch());
}

std::int64_t SampleOrder::index_of(Step step, std::int64_t position) const {
  check(position >= 0 && position < global_batch, "a position lies inside the global batch");
  check(step > start.step, "a step to read is behind the run's start");
  const auto [epoch, first] = reading(step);
  if (!shuffle) return first + position;
  const std::uint64_t key = mix_key({kOrderKey, seed, static_cast<std::uint64_t>(epoch.value)});
  const Permutation order(static_cast<std::uint64_t>(size), key);
  return static_cast<std::int64_t>(order(static_cast<std::uint64_t>(first + position)));
}

}  // namespace lockstep
