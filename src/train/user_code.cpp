// SPDX-License-Identifier: Apache-2.0
#include "train/user_code.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace lockstep {
namespace {

std::string smaller_micro_batch(const ModelCall& call) {
  if (call.micro_batch <= 1) return "Make the model or its samples smaller: train.micro_batch is 1 already";
  std::string remedy = fmt::format("Lower train.micro_batch, which is {}", call.micro_batch);
  if (call.saved) remedy += "; this run goes on with it and resume.allow_changes=[train.micro_batch]";
  return remedy;
}

std::string remedy_for(const ForeignException& thrown, const ModelCall& call) {
  if (thrown.text.find("Expected more than 1 value per channel") != std::string::npos)
    return fmt::format(
        "BatchNorm needs more than one value a channel: raise train.micro_batch, which is {}, or make the "
        "images larger",
        call.micro_batch);
  if (thrown.kind == ForeignException::Kind::kLibTorch)
    return "Fit the model and the data to each other: that is what the model was given";
  return "Look at the model's forward(), loss() and metrics()";
}

}  // namespace

Fault fault_of(const ForeignException& thrown, const ModelCall& call) {
  const std::string given = fmt::format("{} ({}; {})", call.place, call.inputs, call.samples);
  if (thrown.kind == ForeignException::Kind::kOutOfMemory)
    return out_of_memory(thrown, fmt::format("model {} at {}", call.model, given), smaller_micro_batch(call));
  const bool does_not_fit = call.first && thrown.kind == ForeignException::Kind::kLibTorch;
  return Fault(does_not_fit ? ExitCode::kConfig : ExitCode::kBug,
               fmt::format("model {} threw at {}: {}", call.model, given, thrown.text),
               remedy_for(thrown, call));
}

std::string shapes_of(const Dataset& dataset, std::int64_t samples) {
  std::string text;
  try {
    for (const Field& field : dataset.fields()) {
      Shape shape = field.shape;
      shape.insert(shape.begin(), samples);
      text += fmt::format("{}{} {} {}", text.empty() ? "" : ", ", field.name, name_of(field.dtype), shape);
    }
  } catch (...) {
    // A second error must not replace the first.
    text += " of unknown fields";
  }
  return text;
}

std::string places_of(const Dataset& dataset, const std::vector<std::int64_t>& indices) {
  constexpr std::size_t kShown = 4;
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min(kShown, indices.size()); ++i) try {
      shown.push_back(dataset.place_of(indices[i]));
    } catch (...) {
      // Where it lies is what a message is made of; a second error must not replace the first.
      shown.push_back(fmt::format("sample {}", indices[i]));
    }
  std::string text = fmt::format("{}", fmt::join(shown, "; "));
  if (indices.size() > kShown) text += fmt::format(" and {} more", indices.size() - kShown);
  return text;
}

}  // namespace lockstep
