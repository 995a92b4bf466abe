// SPDX-License-Identifier: Apache-2.0
#include "config/derive.h"

#include "config/array_task.h"
#include "config/read_value.h"
#include "config/yaml_text.h"

namespace lockstep {
namespace {

void set_type_defaults(const Given& given, RunConfig& config) {
  const auto table = std::make_shared<const Origin>(Origin{"default", "", false});
  for (const Row& row : given.schema.rows()) {
    if (row.default_with.empty() || given.has(row.key)) continue;
    const std::string section = row.key.substr(0, row.key.find('.'));
    // Read like a setting, so that a default outside its own range cannot hide in the table.
    const auto own = row.default_with.find(word_in(*given.schema.find(section + ".type"), config));
    if (own != row.default_with.end())
      row.set(config, read_value(row, {parse_yaml(own->second, *table), {}, table}));
  }
}

std::vector<std::int64_t> input_shape_of(const ModelOptions& model) {
  if (model.type == "mlp") return {model.inputs};
  if (model.type.starts_with("resnet")) {
    const std::int64_t side = model.stem == "cifar" ? 32 : 224;
    return {3, side, side};
  }
  return {};
}

void shape_synthetic_data(const Given& given, RunConfig& config) {
  const ModelOptions& model = config.model;
  if (config.data.type != "synthetic" || given.schema.is_registered("model.type", config)) return;
  if (!given.has("data.input_shape")) config.data.input_shape = input_shape_of(model);
  const std::int64_t outputs = model.type == "mlp" ? model.outputs : model.classes;
  // Either of the two keys about numbers says that numbers are wanted.
  const bool regression = config.train.loss == LossKind::kMse || given.has("data.targets");
  if (!given.has("data.classes")) config.data.classes = regression ? 0 : outputs;
  if (!given.has("data.targets") && config.data.classes == 0) config.data.targets = outputs;
}

std::int64_t classes_of(const RunConfig& config) {
  if (config.train.loss == LossKind::kMse) return 0;
  if (config.model.type == "mlp") return config.model.outputs;
  return config.model.type.starts_with("resnet") ? config.model.classes : 0;
}

// A run that nobody thought about is not lost, and does not spend its time on saving either.
void set_save_interval(const Given& given, CheckpointOptions& checkpoint) {
  if (given.has("checkpoint.every_steps") || given.has("checkpoint.every_minutes")) return;
  checkpoint.every_minutes = 10;
  checkpoint.time_share = 0.01;
}

}  // namespace

bool Given::differs_from_default(const std::string& key, const RunConfig& config) const {
  const Row& row = *schema.find(key);
  return has(key) && row.get(config) != row.get(RunConfig{});
}

void derive(const Given& given, RunConfig& config) {
  set_type_defaults(given, config);
  if (!given.has("run.dir")) config.run.dir = "runs/" + config.run.name;
  config.run.dir = with_array_task(config.run.dir);
  shape_synthetic_data(given, config);
  set_save_interval(given, config.checkpoint);
  // The data cut their samples to what the model takes, and refuse tokens it has no row for.
  const bool knows_tokens = config.model.type == "gpt" || given.schema.is_registered("model.type", config);
  if (knows_tokens) {
    config.data.context = config.model.context;
    config.data.vocab = config.model.vocab;
  }
  config.data.seed = config.run.seed;
  config.data.integer_inputs = given.schema.is_registered("model.type", config);
  config.data.label_classes = config.data.integer_inputs ? 0 : classes_of(config);
}

}  // namespace lockstep
