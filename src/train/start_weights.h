// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "exchange/match_weights.h"

namespace lockstep {

// What a model takes weights into: its parameters, then its buffers, each with all of its names.
struct ModelTensor {
  std::vector<std::string> names;
  torch::Tensor tensor;
};
std::vector<ModelTensor> tensors_of(torch::nn::Module& model);

// Local. Fills the parameters and buffers of `model` in place by match_weights(), converting within floating
// types and within integers. Those that rules.skip names keep their values. Throws Fault as match_weights().
WeightsMatch fill_model(torch::nn::Module& model, const WeightsSource& source, const NameRules& rules);

// Local. The same for a run that begins; the names of what keeps its initial values. Also throws Fault (78)
// for a name in rules.skip that is nowhere: a misspelt one would let in what was to be left out.
std::vector<std::string> start_model(torch::nn::Module& model, const WeightsSource& source,
                                     const NameRules& rules);

}  // namespace lockstep
