// SPDX-License-Identifier: Apache-2.0
#include "parallel/step_mean.h"

namespace lockstep {

std::vector<char> StepMean::reached() const {
  const std::int64_t parameters = std::ssize(arena_.trainable());
  const torch::Tensor share =
      flat_.narrow(0, arena_.reached_offset(), parameters).to(torch::kCPU, torch::kFloat64).contiguous();
  std::vector<char> reached;
  for (std::int64_t i = 0; i < parameters; ++i) reached.push_back(share.const_data_ptr<double>()[i] > 0);
  return reached;
}

void StepMean::take_over_buffers() const {
  const torch::NoGradGuard no_grad;
  const std::int64_t buffers = arena_.buffer_count();
  if (buffers > 0) arena_.buffer_values().copy_(flat_.narrow(0, arena_.trainable_count(), buffers));
}

void StepMean::give_gradients() const {
  const std::vector<char> was_reached = reached();
  for (std::size_t i = 0; i < was_reached.size(); ++i) {
    torch::Tensor parameter = arena_.trainable_tensors()[i];
    parameter.mutable_grad() =
        was_reached[i] ? ModelArena::view(flat_, arena_.trainable()[i]).detach() : torch::Tensor();
  }
}

}  // namespace lockstep
