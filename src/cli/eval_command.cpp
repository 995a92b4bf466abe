// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_command.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/job.h"
#include "cli/name_rules.h"
#include "comm/agree.h"
#include "lockstep/base/log.h"
#include "loop/standard_streams.h"
#include "train/evaluator.h"
#include "train/start_weights.h"

namespace lockstep {
namespace {

struct EvalArguments {
  ConfigArguments config;
  std::string weights;
  NameRules names;
  std::string part = "valid";
  bool json = false;
};

// Loss first, then the others by name. A number that is not finite is null, as in metrics.jsonl.
std::string as_json(const std::map<std::string, double>& means) {
  nlohmann::ordered_json json;
  json["loss"] = means.at("loss");
  for (const auto& [name, value] : means) json[name] = value;
  return json.dump() + "\n";
}

std::string as_table(const std::map<std::string, double>& means) {
  std::string text = fmt::format("{:<12} {}\n", "loss", means.at("loss"));
  for (const auto& [name, value] : means)
    if (name != "loss") text += fmt::format("{:<12} {}\n", name, value);
  return text;
}

std::unique_ptr<Dataset> open_data(const RunConfig& config, const Registries& registries,
                                   const std::string& part) {
  auto data = registries.datasets.open(config.data, part == "train" ? DataPart::kTrain : DataPart::kValid);
  if (data == nullptr)
    throw Fault(ExitCode::kConfig, "the config names no validation data",
                "Set data.valid or data.holdout_every, or evaluate the training data: --part train");
  return data;
}

int eval_command(const EvalArguments& arguments, const Registries& registries) {
  Job job = join_job(arguments.config.given(), registries);
  std::unique_ptr<Dataset> data;
  std::shared_ptr<Model> model;
  together(job.world, [&] {
    data = open_data(job.config, registries, arguments.part);
    model = registries.models.make(job.config.model);
    move_model(*model, job.compute);
  });
  fill_model(job.world, *model, arguments.weights, name_rules(job.config.model, arguments.names));
  agree_same(job.world, "the data", data->fingerprint().hex(), ExitCode::kInputMissing);
  const EvaluationParts parts{job.world, *model, *data, job.compute};
  const EvaluationOptions options{job.config.train.micro_batch,
                                  {job.config.train.loss, job.config.data.ignore_label}};
  const auto means = evaluate(parts, options);
  const auto odd = odd_evaluation(parts, options, means);
  if (odd && job.world.is_root())
    log_warning("the {} of the {} data is {}: {}", odd->name,
                arguments.part == "train" ? "training" : "validation", odd->value, odd->cause);
  if (job.world.is_root()) print(arguments.json ? as_json(means) : as_table(means));
  return 0;
}

}  // namespace

void add_eval_command(CLI::App& app, const Registries& registries, int& exit_code) {
  const auto arguments = std::make_shared<EvalArguments>();
  CLI::App* command = app.add_subcommand(
      "eval",
      "Examples:\n"
      "  lockstep eval -c run.yaml --weights runs/digits/weights.h5\n"
      "  mpirun -n 4 lockstep eval -c run.yaml --weights runs/digits/ckpt/step-00000400 --json\n\n"
      "Evaluates weights on the validation data: the same numbers at any number of ranks.");
  arguments->config.add_to(*command);
  command
      ->add_option("--weights", arguments->weights,
                   "A weights.h5, a checkpoint or run directory, or a .pth or .safetensors file")
      ->required()
      ->type_name("PATH");
  add_name_rules(*command, arguments->names);
  command->add_option("--part", arguments->part, "Which data: train or valid")
      ->check(CLI::IsMember({"train", "valid"}))
      ->capture_default_str();
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback(
      [arguments, &registries, &exit_code] { exit_code = eval_command(*arguments, registries); });
}

}  // namespace lockstep
