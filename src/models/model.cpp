// SPDX-License-Identifier: Apache-2.0
#include "lockstep/models/model.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"
#include "models/labels.h"

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

// The target in the output's shape and dtype, in float32 beside an output that autocast left in fewer bits. A
// [N] target fits a [N, 1] output; nothing is ever broadcast.
torch::Tensor as_values(const torch::Tensor& output, const torch::Tensor& target) {
  if (output.numel() != target.numel()) {
    throw Fault{
        ExitCode::kConfig,
        fmt::format("mse needs as many targets as outputs; the model gives {}, the data {}", shape_of(output),
                    shape_of(target)),
        "fit model.outputs to the targets of the data; labels that are classes must be integers there, "
        "floats are numbers to predict"};
  }
  return target.reshape(output.sizes()).to(torch::promote_types(output.scalar_type(), torch::kFloat32));
}

// In float64: a float32 count of hits stops growing at 2^24.
double sum_of(const torch::Tensor& values) {
  return values.to(torch::kFloat64).sum().item<double>();
}

}  // namespace

torch::Tensor Model::forward(torch::Tensor) {
  throw Fault(ExitCode::kConfig, fmt::format("model {} has no forward(torch::Tensor)", name()),
              "A model overrides it, or forward(const lockstep::Batch&) and is given a Batch");
}

torch::Tensor Model::forward(const Batch& batch) {
  return forward(batch.input());
}

torch::Tensor Model::loss(const torch::Tensor& output, const Batch& batch, LossKind kind) {
  if (!notes_.ignore && batch.has(batch.target_name() + "_length"))
    throw Fault(
        ExitCode::kConfig,
        fmt::format("the target {} differs in length between samples, and its padding would count in "
                    "the loss",
                    batch.target_name()),
        "Labels: give data.ignore_label, which pads them. Numbers: override loss() and metrics() of a "
        "lockstep::Batch, which has the lengths");
  return loss(output, batch.target(), kind);
}

MetricSums Model::metrics(const torch::Tensor& output, const Batch& batch, LossKind kind) {
  return metrics(output, batch.target(), kind);
}

torch::Tensor Model::loss(const torch::Tensor& output, const torch::Tensor& target, LossKind kind) {
  if (!is_cross_entropy(target, kind)) return F::mse_loss(output, as_values(output, target));
  const Classes rows = as_rows(output, target);
  asked_ = true;
  const std::int64_t kept = checked_labels(target, rows.logits.size(1), notes_);
  if (!notes_.ignore) return F::cross_entropy(rows.logits, rows.labels);
  auto options = F::CrossEntropyFuncOptions().ignore_index(*notes_.ignore);
  // The mean over no label is not a number; their sum is 0, and so is its gradient.
  if (kept == 0) options.reduction(torch::kSum);
  return F::cross_entropy(rows.logits, rows.labels, options);
}

MetricSums Model::metrics(const torch::Tensor& output, const torch::Tensor& target, LossKind kind) {
  const bool classes = is_cross_entropy(target, kind);
  const auto count = static_cast<double>(classes ? kept_labels(target, notes_) : target.numel());
  // Through the virtual loss(), so that a model with a loss of its own is also evaluated by it.
  const double mean = count > 0 ? loss(output, target, kind).item<double>() : 0.0;
  // Without a label that counts there is none to leave out.
  if (classes && count == 0) asked_ = true;
  MetricSums sums{{"loss", {mean * count, count}}};
  if (classes) {
    const Classes rows = as_rows(output, target);
    torch::Tensor hits = rows.logits.argmax(1) == rows.labels;
    if (notes_.ignore) hits = hits & (rows.labels != *notes_.ignore);
    sums["accuracy"] = {sum_of(hits), count};
  } else {
    const torch::Tensor error = (output - as_values(output, target)).to(torch::kFloat64);
    sums["mse"] = {sum_of(error.square()), count};
    sums["mae"] = {sum_of(error.abs()), count};
  }
  return sums;
}

std::optional<std::int64_t> Model::ignore_label() const {
  asked_ = true;
  return notes_.ignore;
}

void Model::note_targets(TargetNotes notes) {
  notes_ = std::move(notes);
  asked_ = false;
}

}  // namespace lockstep
