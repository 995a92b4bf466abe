// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <optional>
#include <string>

#include "lockstep/comm/world.h"
#include "lockstep/data/dataset.h"
#include "lockstep/models/model.h"

namespace lockstep {

// Local. A NaN as people write it, whatever its sign bit; other numbers as they are.
double without_sign(double value);

// Local. Is every value a finite number? All integers are.
bool all_finite(const torch::Tensor& values);

// Local. "value 3 of 16 is nan": the first that is not finite, of a tensor that has one.
std::string first_odd_value(const torch::Tensor& values);

// One sample as a model gets it: it may be too large for train.dtype only.
struct GivenSample {
  const Dataset& data;
  std::int64_t index = 0;  // in the dataset
  const Batch& batch;
  std::int64_t slot = 0;  // of the batch
};

// Local. "the inputs of sample 17 is not finite: value 3 of 16 is nan", of its first field that is not.
std::optional<std::string> odd_sample(const GivenSample& sample);

// Collective. The text of the lowest rank that has one, on all of them; empty where none has.
std::string text_of_first(World& world, const std::string& mine);

}  // namespace lockstep
