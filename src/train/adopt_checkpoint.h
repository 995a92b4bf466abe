// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "exchange/formats/state_dict.h"
#include "exchange/formats/training_place.h"
#include "exchange/weight_names.h"
#include "train/training_state.h"

namespace lockstep {

// What a checkpoint of a Python loop says beside its tensors.
struct AdoptedCheckpoint {
  std::optional<std::int64_t> epoch;  // that is complete
  std::optional<std::int64_t> step;
  double loss = 0;  // NaN where it has none
  std::string model_key;
  std::vector<std::string> said;         // of its names, a sentence each
  std::vector<std::string> differences;  // from the config, and within the file, a sentence each
  std::vector<std::string> unused;       // keys of the file that Lockstep has no use for
  std::optional<double> lr;              // of its optimizer
  std::string extra = "{}";              // for the record: loss scale and what else a trainer goes on from
};

struct AdoptionOptions {
  StateDictKeys keys;
  PlaceKeys place;
  NameRules names;
  OptimOptions optim;     // of the config
  std::string precision;  // of the config: train.precision
};

// Local. Fills parameters, buffers and optimizer slots of `state` from a file of torch.save's with a model
// and a torch.optim state_dict; which parameter a number of the optimizer means, order_of_optimizer()
// says. Throws Fault:
// 65 for a file that is refused or has no optimizer, 78 naming the tensor and both shapes or dtypes for one
// that does not fit the model, or for an optimizer of another kind.
AdoptedCheckpoint adopt_checkpoint(TrainingState& state, const std::string& path,
                                   const AdoptionOptions& options);

}  // namespace lockstep
