// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {

// Note [modes]: each module of a model has a mode of its own. A BatchNorm that its owner has put to eval()
// stays there: whoever puts a model to eval for a while puts back what it found, a checkpoint names the
// modules that are in eval mode, and a resume restores them. A model may also keep them there by overriding
// train(): it is called once before a run, as a PyTorch loop calls it before each epoch. All functions are
// Local.

// Eval mode for the time of a scope; then each module has the mode it had. Modules made meanwhile get that of
// the model. `model` outlives it.
class EvalMode {
 public:
  explicit EvalMode(torch::nn::Module& model);
  ~EvalMode();
  EvalMode(const EvalMode&) = delete;
  EvalMode& operator=(const EvalMode&) = delete;

 private:
  torch::nn::Module& model_;
  bool model_trained_;
  std::vector<std::pair<std::shared_ptr<torch::nn::Module>, bool>> found_;  // parents first
};

// Before a run: a module is in eval mode when the constructor or the model's own train() put it there.
void settle_modes(torch::nn::Module& model);

// Names of the modules in eval mode, as named_modules() gives them; the model itself is "".
std::vector<std::string> modules_in_eval(torch::nn::Module& model);

// Puts exactly these into eval mode and all others into training mode. Throws Fault (78), with nothing
// changed, for a name the model has not.
void restore_modes(torch::nn::Module& model, const std::vector<std::string>& in_eval);

}  // namespace lockstep
