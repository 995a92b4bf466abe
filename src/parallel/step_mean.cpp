// SPDX-License-Identifier: Apache-2.0
#include "parallel/step_mean.h"

#include "optim/clip.h"

namespace lockstep {

std::vector<char> StepMean::reached() const {
  const std::int64_t parameters = std::ssize(arena_.trainable());
  const torch::Tensor share = rest_.narrow(0, arena_.reached_offset() - arena_.trainable_count(), parameters)
                                  .to(torch::kCPU, torch::kFloat64)
                                  .contiguous();
  std::vector<char> reached;
  for (std::int64_t i = 0; i < parameters; ++i) reached.push_back(share.const_data_ptr<double>()[i] > 0);
  return reached;
}

void StepMean::apply(FlatOptimizer* optimizer, const UpdateRate& rate) const {
  if (optimizer != nullptr) {
    scale_gradients(gradients(), rate.scale);
    optimizer->update(gradients(), rate.lr, reached());
  }
  take_over_buffers();
}

void StepMean::take_over_buffers() const {
  const torch::NoGradGuard no_grad;
  const std::int64_t buffers = arena_.buffer_count();
  if (buffers > 0) arena_.buffer_values().copy_(rest_.narrow(0, 0, buffers));
}

void StepMean::give_gradients(const PartialSum& mean) const {
  const std::vector<char> was_reached = reached();
  for (std::size_t i = 0; i < was_reached.size(); ++i) {
    torch::Tensor parameter = arena_.trainable_tensors()[i];
    parameter.mutable_grad() = was_reached[i] ? mean.gradient(arena_, i).detach() : torch::Tensor();
  }
}

}  // namespace lockstep
