// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/answer.h"
#include "data/batch_layout.h"
#include "data/formats/inputs.h"
#include "data/host_batch.h"
#include "lockstep/base/error.h"
#include "loop/standard_streams.h"
#include "train/device.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

bool data_has_classes(const AnswerContext& context) {
  if (context.config.data.type == "idx" || context.config.data.type == "cifar10") return true;
  try {
    return !is_floating(
        target_of(*context.registries.datasets.open(context.config.data, DataPart::kTrain)).dtype);
  } catch (const Fault& fault) {
    throw Fault(ExitCode::kConfig,
                fmt::format("classes or numbers? The training data cannot tell: {}", fault.fact()),
                "Say it: train.loss=cross_entropy or train.loss=mse");
  }
}

bool wants_classes(const AnswerContext& context, const AnswerRequest& request) {
  if (request.top > 0) return true;
  const LossKind loss = context.config.train.loss;
  if (loss != LossKind::kAuto) return loss == LossKind::kCrossEntropy;
  return data_has_classes(context);
}

// One row a sample, in double precision on the host.
torch::Tensor as_rows(const torch::Tensor& outputs, std::int64_t samples) {
  if (outputs.dim() < 1 || outputs.size(0) != samples)
    throw Fault(ExitCode::kConfig,
                fmt::format("the model gives {} outputs for {} samples",
                            outputs.dim() < 1 ? 1 : outputs.size(0), samples),
                "forward() returns one row for each sample");
  return outputs.reshape({samples, -1}).to(torch::kCPU, torch::kFloat64).contiguous();
}

Json values_of(const torch::Tensor& row) {
  Json values = Json::array();
  for (std::int64_t i = 0; i < row.numel(); ++i) values.push_back(row[i].item<double>());
  return values;
}

Json classes_of(const torch::Tensor& row, std::int64_t top) {
  // A stable sort: of equal classes the lower number comes first, everywhere.
  const auto [probabilities, classes] =
      torch::sort(torch::softmax(row, 0), /*stable=*/true, /*dim=*/0, /*descending=*/true);
  Json named = Json::array();
  for (std::int64_t i = 0; i < std::min(top, row.numel()); ++i)
    named.push_back(
        {{"class", classes[i].item<std::int64_t>()}, {"probability", probabilities[i].item<double>()}});
  return named;
}

std::string as_text(const Json& line) {
  std::string text = fmt::format("{}:", line["index"].get<std::int64_t>());
  if (line.contains("values"))
    for (const Json& value : line["values"]) text += fmt::format(" {}", value.get<double>());
  else
    for (const Json& named : line["top"])
      text += fmt::format("  class {} ({:.4g})", named["class"].get<std::int64_t>(),
                          named["probability"].get<double>());
  return text;
}

// What the training data look like, where they still lie there.
std::optional<Shape> trained_shape(const AnswerContext& context) {
  try {
    return context.registries.datasets.open(context.config.data, DataPart::kTrain)->spec().input_shape;
  } catch (const Fault&) {
    return std::nullopt;
  }
}

constexpr const char* kFitTheFile =
    "The trained model stays as it is: bring the samples to the size and the channels that it was trained "
    "on, as "
    "the training data were";

// The same values in the same order, whatever dimensions of one, or none at all, they are laid out in.
bool same_samples(const Shape& a, const Shape& b) {
  const auto plain = [](Shape shape) {
    std::erase(shape, 1);
    return shape;
  };
  const bool flat = plain(a).size() <= 1 || plain(b).size() <= 1;
  return plain(a) == plain(b) || (flat && element_count(a) == element_count(b));
}

void require_trained_shape(const Dataset& data, const AnswerContext& context, const std::string& path) {
  const Shape shape = data.spec().input_shape;
  const auto trained = trained_shape(context);
  if (!trained || same_samples(*trained, shape)) return;
  throw Fault(ExitCode::kConfig,
              fmt::format("{} has samples of {}, and the model was trained on {}", path,
                          fmt::join(shape, " x "), fmt::join(*trained, " x ")),
              kFitTheFile);
}

torch::Tensor ask(const Predictor& predictor, const Batch& inputs, const std::string& path) {
  try {
    return predictor(inputs);
  } catch (const Fault& fault) {
    if (fault.code() != ExitCode::kConfig) throw;
    // The model's own remedy is for the one who trains it.
    throw Fault(ExitCode::kConfig, fmt::format("{}: {}", path, fault.fact()), kFitTheFile);
  }
}

}  // namespace

void answer_samples(const Predictor& predictor, const AnswerContext& context, const AnswerRequest& request) {
  const auto data = open_inputs(context.config.data, request.input);
  require_trained_shape(*data, context, request.input);
  const bool classes = wants_classes(context, request);
  const std::int64_t chunk = context.config.train.micro_batch;
  const ComputeDevice compute{predictor.options().device, predictor.options().dtype};
  HostBatch batch;
  for (std::int64_t first = 0; first < data->size(); first += chunk) {
    read_chunk(*data, {first, std::min(chunk, data->size() - first)}, batch);
    const torch::Tensor rows =
        as_rows(ask(predictor, to_device(batch, compute), request.input), batch.samples());
    for (std::int64_t slot = 0; slot < batch.samples(); ++slot) {
      Json line = {{"index", first + slot}};
      if (classes)
        line["top"] = classes_of(rows[slot], std::max<std::int64_t>(request.top, 1));
      else
        line["values"] = values_of(rows[slot]);
      print((request.json ? line.dump() : as_text(line)) + "\n");
    }
  }
}

}  // namespace lockstep
