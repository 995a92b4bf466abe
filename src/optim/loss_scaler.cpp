// SPDX-License-Identifier: Apache-2.0
#include "lockstep/optim/loss_scaler.h"

#include <cmath>
#include <limits>

#include "lockstep/tensors/each_once.h"

namespace lockstep {

LossScaler::LossScaler() : state_(torch::zeros({3}, torch::kFloat64)) {
  restore(kFirstScale, 0, 0);
}

void LossScaler::restore(double scale, std::int64_t good_steps, std::int64_t overflows) {
  auto* state = state_.mutable_data_ptr<double>();
  state[0] = scale;
  state[1] = static_cast<double>(good_steps);
  state[2] = static_cast<double>(overflows);
}

torch::Tensor LossScaler::scaled(const torch::Tensor& loss) const {
  if (!loss.defined() || !loss.requires_grad()) return loss;
  const torch::Tensor full = loss.to(torch::promote_types(loss.scalar_type(), torch::kFloat32));
  // Of its own: the hook is not the model's business.
  const torch::Tensor own = full.view_as(full);
  own.register_hook([scale = scale()](const torch::Tensor& gradient) { return gradient * scale; });
  return own;
}

bool LossScaler::unscale(const std::vector<torch::Tensor>& parameters) {
  const torch::NoGradGuard no_grad;
  bool finite = true;
  for (const torch::Tensor& parameter : each_once(parameters)) {
    torch::Tensor gradient = parameter.grad();
    if (!gradient.defined()) continue;
    finite = finite && torch::isfinite(gradient).all().item<bool>();
    gradient.mul_(1 / scale());
  }
  count(finite);
  return finite;
}

void LossScaler::count(bool finite) {
  if (!finite) return restore(scale() * kBackoff, 0, overflows() + 1);
  const bool grows = good_steps() + 1 >= kGrowthInterval;
  // As GradScaler: not beyond what float32 holds.
  const bool fits = scale() * kGrowth <= std::numeric_limits<float>::max();
  restore(grows && fits ? scale() * kGrowth : scale(), grows ? 0 : good_steps() + 1, overflows());
}

}  // namespace lockstep
