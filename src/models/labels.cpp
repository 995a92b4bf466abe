// SPDX-License-Identifier: Apache-2.0
#include "models/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

torch::Tensor on_host(const torch::Tensor& target, const TargetNotes& notes) {
  const bool known = notes.host.defined() && notes.given.defined() && target.is_same(notes.given);
  return (known ? notes.host : target).to(torch::kCPU, torch::kInt64).contiguous();
}

std::span<const std::int64_t> values_of(const torch::Tensor& labels) {
  return {labels.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(labels.numel())};
}

[[noreturn]] void refuse(const torch::Tensor& labels, std::int64_t at, std::int64_t classes,
                         const TargetNotes& notes) {
  const std::int64_t samples = labels.dim() == 0 ? 1 : labels.size(0);
  const std::int64_t per_sample = labels.numel() / samples;
  const std::int64_t row = at / per_sample;
  // A model's own loss may have cut its targets otherwise.
  const bool placed = notes.place && notes.host.defined() && notes.host.size(0) == samples;
  std::string where = placed ? notes.place(row) : fmt::format("sample {} of the batch", row);
  if (per_sample > 1) where += fmt::format(", position {}", at % per_sample);
  throw Fault{ExitCode::kConfig,
              fmt::format("{}: label {} is outside 0..{}, the classes of the model", where,
                          values_of(labels)[static_cast<std::size_t>(at)], classes - 1),
              "Set the model's outputs, classes or vocab to the number of classes of the data; a label that "
              "means 'not counted' is named by data.ignore_label"};
}

}  // namespace

std::int64_t checked_labels(const torch::Tensor& target, std::int64_t classes, const TargetNotes& notes) {
  const torch::Tensor labels = on_host(target, notes);
  const auto values = values_of(labels);
  const auto counts = [&](std::int64_t label) { return !notes.ignore || label != *notes.ignore; };
  std::int64_t kept = 0;
  bool foreign = false;
  for (const std::int64_t label : values) {
    const bool counted = counts(label);
    kept += counted;
    // As unsigned numbers the negative ones are above all classes.
    foreign |= counted && static_cast<std::uint64_t>(label) >= static_cast<std::uint64_t>(classes);
  }
  if (!foreign) return kept;
  const auto first = std::find_if(values.begin(), values.end(), [&](std::int64_t label) {
    return counts(label) && (label < 0 || label >= classes);
  });
  refuse(labels, first - values.begin(), classes, notes);
}

std::int64_t kept_labels(const torch::Tensor& target, const TargetNotes& notes) {
  if (!notes.ignore) return target.numel();
  const torch::Tensor labels = on_host(target, notes);
  const auto values = values_of(labels);
  return std::count_if(values.begin(), values.end(),
                       [&](std::int64_t label) { return label != *notes.ignore; });
}

}  // namespace lockstep
