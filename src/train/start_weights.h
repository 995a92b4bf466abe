// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "exchange/match_weights.h"
#include "lockstep/base/hash.h"
#include "lockstep/comm/world.h"

namespace lockstep {

// What a model takes weights into: its parameters, then its buffers, each with all of its names.
struct ModelTensor {
  std::vector<std::string> names;
  torch::Tensor tensor;
};
std::vector<ModelTensor> tensors_of(torch::nn::Module& model);

// What a file gave a model.
struct FilledModel {
  std::vector<std::string> skipped;     // what keeps its values because rules.skip names it
  std::vector<std::string> idle_skips;  // of rules.skip: what names no tensor of model or file
  Digest contents;                      // of all that was read, for ranks to compare
};

// Local. Fills the parameters and buffers of `model` in place by match_weights(), converting within floating
// types and within integers. Those that rules.skip names keep their values. Throws Fault as match_weights().
FilledModel fill_model(torch::nn::Module& model, const WeightsSource& source, const NameRules& rules);

// Collective. fill_model() from the file at `path` on every rank. Also throws AgreedFault (78) naming the
// ranks that read other tensors there than rank 0.
FilledModel fill_model(World& world, torch::nn::Module& model, const std::string& path,
                       const NameRules& rules);

// Collective. The same for a run that begins; the names of what keeps its initial values. Also throws
// AgreedFault (78) for a name in rules.skip that is nowhere: a misspelt one would let in what was to be left
// out.
std::vector<std::string> start_model(World& world, torch::nn::Module& model, const std::string& path,
                                     const NameRules& rules);

}  // namespace lockstep
