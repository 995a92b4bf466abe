// SPDX-License-Identifier: Apache-2.0
#include "parallel/step_mean.h"

#include <algorithm>
#include <functional>

#include "optim/clip.h"

namespace lockstep {

std::vector<char> StepMean::any(std::int64_t offset, std::int64_t count) const {
  const torch::Tensor share =
      rest_.narrow(0, offset - arena_.trainable_count(), count).to(torch::kCPU, torch::kFloat64).contiguous();
  std::vector<char> any;
  for (std::int64_t i = 0; i < count; ++i) any.push_back(share.const_data_ptr<double>()[i] > 0);
  return any;
}

std::vector<char> StepMean::reached() const {
  return any(arena_.reached_offset(), std::ssize(arena_.trainable()));
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
  const auto& buffers = arena_.buffers();
  if (buffers.empty()) return;
  const std::vector<char> changed = any(arena_.changed_offset(), std::ssize(buffers));
  const torch::Tensor means = rest_.narrow(0, 0, arena_.buffer_count()), values = arena_.buffer_values();
  if (std::ranges::all_of(changed, std::identity())) {
    values.copy_(means);
    return;
  }
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const std::int64_t at = buffers[i].offset - arena_.trainable_count();
    if (changed[i]) values.narrow(0, at, buffers[i].count).copy_(means.narrow(0, at, buffers[i].count));
  }
}

void StepMean::give_gradients(const PartialSum& mean) const {
  const std::vector<char> was_reached = reached();
  for (std::size_t i = 0; i < was_reached.size(); ++i) {
    torch::Tensor parameter = arena_.trainable_tensors()[i];
    parameter.mutable_grad() = was_reached[i] ? mean.gradient(arena_, i).detach() : torch::Tensor();
  }
}

}  // namespace lockstep
