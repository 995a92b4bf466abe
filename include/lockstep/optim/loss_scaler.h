// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace lockstep {

// Dynamic loss scaling, torch.amp.GradScaler's: what float16 cannot hold of small gradients it holds of
// gradients times a large number. The scale begins at 65536, halves at a step whose gradient is not finite,
// which then makes no update, and doubles after 2000 finite ones in a row. All ranks see the same mean
// gradient, and so have the same scale. Local.
//
//   parallel.backward(step, [&](int i) {
//     const Autocast mixed(torch::kCUDA, torch::kHalf);
//     return scaler.scaled(loss_of(i));
//   });
//   if (scaler.unscale(model->parameters())) optimizer.step();
class LossScaler {
 public:
  // As torch.amp.GradScaler is made.
  static constexpr double kFirstScale = 65536;
  static constexpr double kGrowth = 2;
  static constexpr double kBackoff = 0.5;
  static constexpr std::int64_t kGrowthInterval = 2000;

  LossScaler();

  // The same loss, in float32, whose backward gives gradients times scale().
  torch::Tensor scaled(const torch::Tensor& loss) const;
  // Divides each .grad by scale(), also of what is listed twice once, then counts. False where one is not
  // finite: make no update.
  [[nodiscard]] bool unscale(const std::vector<torch::Tensor>& parameters);
  // Counts a step whose scaled gradient was finite, or was not.
  void count(bool finite);

  double scale() const { return at(0); }
  // Finite ones since the scale changed, and those that were not, in all.
  std::int64_t good_steps() const { return static_cast<std::int64_t>(at(1)); }
  std::int64_t overflows() const { return static_cast<std::int64_t>(at(2)); }
  // These three, in float64, for a checkpoint: what is written there counts.
  torch::Tensor& state() { return state_; }
  void restore(double scale, std::int64_t good_steps, std::int64_t overflows);

 private:
  double at(std::int64_t index) const { return state_.const_data_ptr<double>()[index]; }

  torch::Tensor state_;
};

}  // namespace lockstep
