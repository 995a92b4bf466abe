// SPDX-License-Identifier: Apache-2.0
#include "cli/predict_command.h"

#include <memory>
#include <string>

#include "cli/answer.h"
#include "cli/config_arguments.h"
#include "cli/load_predictor.h"
#include "cli/load_run_config.h"
#include "cli/name_rules.h"

namespace lockstep {
namespace {

struct PredictArguments {
  ConfigArguments config;
  std::string weights;
  NameRules names;
  AnswerRequest request;
};

void predict_command(const PredictArguments& arguments, const Registries& registries) {
  const GivenConfig given = arguments.config.given();
  const RunConfig config = load_run_config(given.file, given.overrides, registries);
  const Predictor predictor = load_predictor(config, arguments.weights, registries, arguments.names);
  if (arguments.request.input.empty())
    answer_prompt(predictor, config, arguments.request);
  else
    answer_samples(predictor, {config, registries}, arguments.request);
}

void add_request(CLI::App& command, AnswerRequest& request) {
  CLI::Option* input = command.add_option("--input", request.input, "Samples, in the format of data.type");
  input->type_name("FILE");
  command.add_option("--top", request.top, "Classes to name for each sample")
      ->check(CLI::PositiveNumber)
      ->needs(input);
  CLI::Option* prompt =
      command.add_option("--prompt", request.prompt, "Text to go on from; of token data, numbers");
  prompt->excludes(input);
  CLI::Option* tokens = command.add_option("--tokens", request.tokens, "How many to add");
  tokens->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 24))->needs(prompt)->capture_default_str();
  CLI::Option* heat =
      command.add_option("--temperature", request.temperature, "0: always the likeliest; 1: as trained");
  heat->check(CLI::Range(0.0, 1e3))->needs(prompt)->capture_default_str();
  command.add_option("--seed", request.seed, "Equal seeds give equal texts")
      ->needs(prompt)
      ->capture_default_str();
  command.add_flag("--json", request.json, "JSON, a line for each sample");
  command.parse_complete_callback([input, prompt] {
    if (input->count() + prompt->count() == 0) throw CLI::RequiredError("--input or --prompt");
  });
}

}  // namespace

void add_predict_command(CLI::App& app, const Registries& registries) {
  const auto arguments = std::make_shared<PredictArguments>();
  CLI::App* command = app.add_subcommand("predict",
                                         "Examples:\n"
                                         "  lockstep predict -c run.yaml --weights runs/digits/weights.h5 "
                                         "--input t10k-images-idx3-ubyte --top 3 --json\n"
                                         "  lockstep predict -c gpt.yaml --weights runs/gpt/weights.h5 "
                                         "--prompt '#include' --tokens 200 --temperature 0.8\n\n"
                                         "Classes or numbers for samples, or the continuation of a text.");
  arguments->config.add_to(*command);
  command
      ->add_option("--weights", arguments->weights,
                   "A weights.h5, a checkpoint or run directory, or a .pth or .safetensors file")
      ->required()
      ->type_name("PATH");
  add_name_rules(*command, arguments->names);
  add_request(*command, arguments->request);
  command->callback([arguments, &registries] { predict_command(*arguments, registries); });
}

}  // namespace lockstep
