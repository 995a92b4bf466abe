// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/models/model.h"

namespace lockstep {

// Where and in what precision a Predictor computes.
struct PredictorOptions {
  torch::Device device{torch::kCPU};
  torch::ScalarType dtype = torch::kFloat32;
  // Of the weights' names, as model.weights_skip, _strip and _rename of a config.
  std::vector<std::string> weights_skip = {};
  std::vector<std::string> weights_strip = {};
  std::vector<std::string> weights_rename = {};
  // Matrix products and convolutions compute in it (Autocast); outputs have `dtype` all the same.
  std::optional<torch::ScalarType> autocast = {};
};

// A trained model that answers: in eval mode, under inference mode. Between answers each module has the mode
// it had. Local; one thread at a time.
//
//   Predictor predictor(ModelRegistry::with_builtin().make(options), "runs/digits/weights.h5");
//   torch::Tensor logits = predictor(images);
class Predictor {
 public:
  // Fills `model` from `weights`: a weights.h5, a checkpoint directory or the manifest.json in one, a run
  // directory, a .pth or .safetensors file. Floating tensors are converted to options.dtype. Throws Fault: 66
  // no such file, 65 damaged, 78 made for another model.
  Predictor(std::shared_ptr<Model> model, const std::string& weights, const PredictorOptions& options = {});

  // Outputs [N, …] for inputs [N, …] on any device; floating inputs are converted. Throws Fault (78) when
  // they do not fit the model.
  torch::Tensor operator()(const torch::Tensor& inputs) const;
  // The same for a model of several fields.
  torch::Tensor operator()(const Batch& batch) const;

  const PredictorOptions& options() const { return options_; }

 private:
  torch::Tensor answer(const std::function<torch::Tensor()>& forward) const;

  std::shared_ptr<Model> model_;
  PredictorOptions options_;
};

struct ContinuationOptions {
  std::int64_t tokens = 100;   // to add
  double temperature = 1.0;    // 0: always the likeliest
  std::uint64_t seed = 0;      // equal seeds draw equal tokens
  std::int64_t context = 256;  // as many of the last tokens as the model can look at
};

// What a language model says after `prompt`: the new tokens alone. Each is drawn by a random number that
// depends on the seed and its place only. Throws Fault (78) for an empty prompt, a negative temperature, or
// a model whose outputs are not [1, length, vocabulary].
std::vector<std::int64_t> continue_sequence(const Predictor& predictor,
                                            const std::vector<std::int64_t>& prompt,
                                            const ContinuationOptions& options);

}  // namespace lockstep
