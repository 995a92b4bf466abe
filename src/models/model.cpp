// SPDX-License-Identifier: Apache-2.0
#include "lockstep/models/model.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

namespace F = torch::nn::functional;

std::string shape_of(const torch::Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.sizes().begin(), tensor.sizes().end(), ", "));
}

bool is_cross_entropy(const torch::Tensor& target, LossKind kind) {
  if (kind == LossKind::kAuto) return !target.is_floating_point();
  return kind == LossKind::kCrossEntropy;
}

struct Classes {
  torch::Tensor logits;  // [samples, classes]
  torch::Tensor labels;  // [samples], int64
};

// One row a target: [N, T, C] with [N, T] is N * T classifications.
Classes as_rows(const torch::Tensor& output, const torch::Tensor& target) {
  const bool fits = output.dim() >= 2 && !target.is_floating_point() &&
                    output.sizes().slice(0, output.dim() - 1) == target.sizes();
  if (!fits) {
    throw Fault{ExitCode::kConfig,
                fmt::format("cross-entropy needs integer targets of shape {} without the last dimension; "
                            "they are {} of {}",
                            shape_of(output), shape_of(target), torch::toString(target.scalar_type())),
                "use train.loss: mse for floating targets, or fit the model's outputs to the data"};
  }
  return {output.flatten(0, -2), target.flatten().to(torch::kInt64)};
}

// The target in the output's shape and dtype. A [N] target fits a [N, 1] output; nothing is ever broadcast.
torch::Tensor as_values(const torch::Tensor& output, const torch::Tensor& target) {
  if (output.numel() != target.numel()) {
    throw Fault{ExitCode::kConfig,
                fmt::format("mse needs as many targets as outputs; the model gives {}, the data {}",
                            shape_of(output), shape_of(target)),
                "fit model.outputs to the targets of the data"};
  }
  return target.reshape(output.sizes()).to(output.scalar_type());
}

// The labels are looked at only after the kernel has refused one: looking first would make every step wait
// for a device.
torch::Tensor cross_entropy(const Classes& rows) {
  try {
    return F::cross_entropy(rows.logits, rows.labels);
  } catch (const c10::IndexError&) {
    throw Fault{ExitCode::kConfig,
                fmt::format("a label is outside 0..{}: the data has {}..{}, the model {} outputs",
                            rows.logits.size(1) - 1, rows.labels.min().item<std::int64_t>(),
                            rows.labels.max().item<std::int64_t>(), rows.logits.size(1)),
                "set the model's outputs, classes or vocab to the number of classes of the data"};
  }
}

// In float64: a float32 count of hits stops growing at 2^24.
double sum_of(const torch::Tensor& values) {
  return values.to(torch::kFloat64).sum().item<double>();
}

}  // namespace

torch::Tensor Model::loss(const torch::Tensor& output, const torch::Tensor& target, LossKind kind) {
  if (is_cross_entropy(target, kind)) return cross_entropy(as_rows(output, target));
  return F::mse_loss(output, as_values(output, target));
}

MetricSums Model::metrics(const torch::Tensor& output, const torch::Tensor& target, LossKind kind) {
  const auto count = static_cast<double>(target.numel());
  // Through the virtual loss(), so that a model with a loss of its own is also evaluated by it.
  MetricSums sums{{"loss", {loss(output, target, kind).item<double>() * count, count}}};
  if (is_cross_entropy(target, kind)) {
    const Classes rows = as_rows(output, target);
    sums["accuracy"] = {sum_of(rows.logits.argmax(1) == rows.labels), count};
  } else {
    const torch::Tensor error = (output - as_values(output, target)).to(torch::kFloat64);
    sums["mse"] = {sum_of(error.square()), count};
    sums["mae"] = {sum_of(error.abs()), count};
  }
  return sums;
}

}  // namespace lockstep
