// SPDX-License-Identifier: Apache-2.0
#include "train/spike.h"

#include <algorithm>
#include <cmath>

#include "base/median.h"

namespace lockstep {
namespace {

constexpr double kNormal = 1.4826;  // MAD to standard deviation
constexpr double kLeastShare = 0.01;

}  // namespace

std::optional<double> SpikeScale::z(double loss) const {
  if (room_ == 0 || losses_.size() < room_) return std::nullopt;
  const double center = median(losses_);
  std::vector<double> distances;
  for (const double one : losses_) distances.push_back(std::fabs(one - center));
  const double scale = std::max(kNormal * median(std::move(distances)), kLeastShare * std::fabs(center));
  // All losses so far were 0: whatever is not stands out.
  if (scale == 0) return loss > center ? INFINITY : 0.0;
  return (loss - center) / scale;
}

bool SpikeScale::is_spike(double loss) const {
  const std::optional<double> far = z(loss);
  return far && *far > options_.z;
}

void SpikeScale::add(double loss) {
  if (room_ == 0) return;
  losses_.push_back(loss);
  if (losses_.size() > room_) losses_.erase(losses_.begin());
}

void SpikeScale::restore(std::vector<double> losses) {
  losses_ = std::move(losses);
  if (losses_.size() > room_)
    losses_.erase(losses_.begin(), losses_.end() - static_cast<std::ptrdiff_t>(room_));
}

}  // namespace lockstep
