// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace lockstep {

// One update of one parameter. The tensors have its shape; nothing is recorded for a backward pass.
struct ParameterUpdate {
  torch::Tensor parameter;                           // to be changed in place
  torch::Tensor gradient;                            // the mean over the global batch, clipped; only read
  std::map<std::string, torch::Tensor> state;        // by name; zeros at first; to be changed in place
  std::int64_t step = 1;                             // of this parameter, from 1
  double lr = 0;                                     // as the schedule and the parameter's group have it
  double weight_decay = 0;                           // optim.weight_decay, or the group's
  const std::map<std::string, std::string>& params;  // optim.params
};

// An optimizer of one's own. Every rank makes the same updates, so `update` is a function of what it is given
// alone; `state` names all it keeps from step to step, which checkpoints have as /optimizer/<name>.
struct Optimizer {
  std::vector<std::string> state = {};  // plain words
  std::function<void(ParameterUpdate&)> update;
};

}  // namespace lockstep
