// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/interchange/state_dict.h"
#include "train/training_state.h"

namespace lockstep {

// What a checkpoint of a Python loop says beside its tensors.
struct AdoptedCheckpoint {
  std::optional<std::int64_t> epoch;  // that is complete
  std::optional<std::int64_t> step;
  double loss = 0;  // NaN where it has none
  std::string model_key;
  bool had_module_prefix = false;
  std::vector<std::string> unused;  // keys of the file that Lockstep has no use for
  std::optional<double> lr;         // of its optimizer
};

// Local. Fills parameters, buffers and optimizer slots of `state` from a file of torch.save's with a model
// and a torch.optim state_dict; parameter i of the optimizer is the i-th of named_parameters(). Throws Fault:
// 65 for a file that is refused or has no optimizer, 78 naming the tensor and both shapes or dtypes for one
// that does not fit the model, or for an optimizer of another kind.
AdoptedCheckpoint adopt_checkpoint(TrainingState& state, const std::string& path, const PartKeys& keys);

}  // namespace lockstep
