// SPDX-License-Identifier: Apache-2.0
#include "data/sample_order.h"

#include <fmt/format.h>

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

Epoch SampleOrder::epoch_of(Step step) const {
  check(step.value >= 1, "steps are numbered from 1");
  return Epoch((step.value - 1) / steps_per_epoch());
}

std::int64_t SampleOrder::offset_after(Step step) const {
  return (step.value - epoch_of(step).value * steps_per_epoch()) * global_batch;
}

std::int64_t SampleOrder::index_of(Step step, std::int64_t position) const {
  check(position >= 0 && position < global_batch, "a position lies inside the global batch");
  const Epoch epoch = epoch_of(step);
  // Where the epoch's order is read from for this step.
  const std::int64_t first = (step.value - 1 - epoch.value * steps_per_epoch()) * global_batch;
  if (!shuffle) return first + position;
  const std::uint64_t key = mix_key({kOrderKey, seed, static_cast<std::uint64_t>(epoch.value)});
  const Permutation order(static_cast<std::uint64_t>(size), key);
  return static_cast<std::int64_t>(order(static_cast<std::uint64_t>(first + position)));
}

}  // namespace lockstep
