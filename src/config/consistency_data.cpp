// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>
#include <numeric>

#include "config/consistency.h"
#include "config/consistency_rules.h"

namespace lockstep {
namespace {

constexpr std::int64_t kByteValues = 256;

struct Part {
  std::string name;  // "data.train"
  const DataFiles& files;
  bool required = false;
};

// A part is given whole or not at all.
void check_part(const Given& given, const DataOptions& data, const Part& part) {
  const bool needs_path = data.type != "idx";
  const bool needs_names = data.type == "idx" || (data.type == "hdf5" && data.fields.empty());
  if (part.files.empty() && !part.required) return;
  const auto need = [&](const std::string& key, bool there) {
    if (there) return;
    const std::string full = part.name + "." + key;
    // What is missing has no place, so the message points at its closest neighbour.
    const std::string beside = given.has(part.name + ".path")     ? part.name + ".path"
                               : given.has(part.name + ".inputs") ? part.name + ".inputs"
                               : given.has(part.name + ".labels") ? part.name + ".labels"
                                                                  : "data.type";
    refuse_at(given, beside, fmt::format("data.type {} needs {}", data.type, full), "Give " + full);
  };
  if (needs_path) need("path", !part.files.paths.empty());
  if (needs_names) need("inputs", !part.files.inputs.empty());
  if (needs_names) need("labels", !part.files.labels.empty());
}

// Two ways to say what is in HDF5 files, of which one is taken.
void check_fields(const Given& given, const DataOptions& data) {
  for (const std::string key :
       {"data.train.inputs", "data.train.labels", "data.valid.inputs", "data.valid.labels"})
    if (data.type == "hdf5" && !data.fields.empty() && given.has(key))
      refuse_at(given, key, "given beside data.fields",
                "data.fields names all arrays, and data.target the labels");
  for (const std::string key : {"data.target", "data.lengths"})
    if (data.type == "hdf5" && data.fields.empty() && given.has(key))
      refuse_at(given, key, "has no effect without data.fields", "Give data.fields, or take it out");
  if (!data.fields.empty() && !data.target.empty() && !data.fields.contains(data.target))
    refuse_at(given, "data.target", fmt::format("{} is no field of data.fields", data.target),
              "Name one of them");
  for (const auto& [field, array] : data.lengths)
    if (!data.fields.empty() && !data.fields.contains(field))
      refuse_at(given, "data.lengths", fmt::format("{} is no field of data.fields", field),
                "Name fields of it");
}

void check_normalize(const Given& given, const DataOptions& data) {
  if (data.mean.size() == data.std.size()) return;
  const std::string key = given.has("data.normalize.std") ? "data.normalize.std" : "data.normalize.mean";
  refuse_at(given, key,
            fmt::format("data.normalize.mean has {} numbers and data.normalize.std {}", data.mean.size(),
                        data.std.size()),
            "Both have one number a channel");
}

void check_synthetic(const Given& given, const RunConfig& config) {
  const DataOptions& data = config.data;
  if (data.classes != 0 && given.differs_from_default("data.targets", config))
    refuse_at(given, "data.targets", fmt::format("has no effect while data.classes is {}", data.classes),
              "data.classes: 0 makes it a regression");
  if (data.classes != 0 && config.train.loss == LossKind::kMse)
    refuse_at(given, "train.loss", fmt::format("mse with {} data.classes", data.classes), "data.classes: 0");
  if (data.classes == 0 && config.train.loss == LossKind::kCrossEntropy)
    refuse_at(given, "train.loss", "cross_entropy with data.classes 0, which makes a regression",
              "train.loss: mse, or data.classes of 2 or more");
  if (config.model.type != "mlp") return;
  const auto& shape = data.input_shape;
  const std::int64_t values =
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, [](auto a, auto b) {
        // Saturates: 8 dimensions of 2^28 would overflow, and no model takes that many.
        return a > (std::int64_t{1} << 34) ? a : a * b;
      });
  if (values != config.model.inputs)
    refuse_at(given, "data.input_shape",
              fmt::format("{} is {} values and model.inputs is {}", shape, values, config.model.inputs),
              "They must be equal");
  const std::int64_t outputs = data.classes != 0 ? data.classes : data.targets;
  const std::string key = data.classes != 0 ? "data.classes" : "data.targets";
  if (outputs != config.model.outputs)
    refuse_at(given, key, fmt::format("{} and model.outputs is {}", outputs, config.model.outputs),
              "They must be equal");
}

}  // namespace

void require_data(const Given& given) {
  if (given.has("data.type")) return;
  refuse_at(given, "data.type", "is not given: there is nothing to train on",
            fmt::format("It is one of {}; data.type: synthetic makes data up",
                        fmt::join(given.schema.find("data.type")->words, ", ")));
}

void check_model(const Given& given, const RunConfig& config) {
  const ModelOptions& model = config.model;
  if (model.type == "gpt" && model.width % model.heads != 0)
    refuse_at(given, given.has("model.heads") ? "model.heads" : "model.width",
              fmt::format("model.width ({}) is not a multiple of model.heads ({})", model.width, model.heads),
              fmt::format("model.width={} fits", (model.width / model.heads + 1) * model.heads));
  if (model.type == "gpt" && config.train.loss == LossKind::kMse)
    refuse_at(given, "train.loss", "mse does not fit model.type gpt, whose targets are tokens",
              "train.loss: auto");
}

void check_data_files(const Given& given, const RunConfig& config) {
  const DataOptions& data = config.data;
  const bool registered = given.schema.is_registered("data.type", config);
  if (data.type != "synthetic" && !registered) {
    check_part(given, data, {"data.train", data.train, true});
    check_part(given, data, {"data.valid", data.valid, false});
  }
  if (!data.valid.empty() && data.holdout_every != 0)
    refuse_at(given, "data.holdout_every", "given beside data.valid",
              "Validation data come from one of them");
  if (data.holdout_every == 1)
    refuse_at(given, "data.holdout_every", "1 holds everything out and leaves nothing to train on",
              "2 or more");
  if (data.ignore_label && config.train.loss == LossKind::kMse)
    refuse_at(given, "data.ignore_label", "has no effect with train.loss mse, which has no classes",
              "train.loss: cross_entropy, or no data.ignore_label");
  check_fields(given, data);
  check_normalize(given, data);
}

void check_data_fits_model(const Given& given, const RunConfig& config) {
  const std::string& data = config.data.type;
  const std::string& model = config.model.type;
  const bool own_model = given.schema.is_registered("model.type", config);
  const bool own_data = given.schema.is_registered("data.type", config);
  const bool tokens = data == "text" || data == "tokens";
  if (tokens && model != "gpt" && !own_model)
    refuse_at(given, "data.type",
              fmt::format("{} gives tokens, which model.type {} cannot read", data, model),
              "model.type: gpt");
  if (model == "gpt" && !tokens && !own_data)
    refuse_at(given, "model.type", fmt::format("gpt reads tokens, and data.type {} gives none", data),
              "data.type: text or tokens");
  if (data == "text" && config.model.vocab < kByteValues)
    refuse_at(given, "model.vocab", fmt::format("{} is too few: text is read as bytes", config.model.vocab),
              fmt::format("model.vocab: {}", kByteValues));
  if (data == "synthetic" && !own_model) check_synthetic(given, config);
}

}  // namespace lockstep
