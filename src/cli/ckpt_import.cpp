// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include "base/shell_word.h"
#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "cli/config_arguments.h"
#include "cli/import_checkpoint.h"
#include "cli/name_rules.h"
#include "exchange/import_weights.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

struct ImportArguments {
  std::string file;
  ConfigArguments config;
  std::string output;
  StateDictKeys keys;
  PlaceKeys place;
  NameRules names;
  bool json = false;
};

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i)
    text += (i == 0 ? "" : ", ") + printable(names[i]);
  return names.size() > kShown ? text + fmt::format(", and {} more", names.size() - kShown) : text;
}

std::string found_in(const std::string& model_key, const std::vector<std::string>& said) {
  std::string text =
      model_key.empty() ? "the file is the state_dict" : "the model is under " + printable(model_key);
  for (const std::string& sentence : said) text += "; " + printable(sentence);
  return text;
}

void import_file(const ImportArguments& arguments) {
  const ImportReport report =
      import_weights(real_disk(), arguments.file, {arguments.keys, arguments.names}, arguments.output);
  if (arguments.json)
    return print(pretty(OrderedJson{{"output", arguments.output},
                                    {"model_key", report.model_key},
                                    {"said", report.said},
                                    {"tensors", report.tensors},
                                    {"optimizer_tensors", report.optimizer_tensors},
                                    {"bytes", report.bytes},
                                    {"left_out", report.left_out}}));
  print(fmt::format("{}: {} tensors, {} bytes ({})\n", arguments.output, report.tensors, report.bytes,
                    found_in(report.model_key, report.said)));
  if (report.optimizer_tensors > 0)
    print(fmt::format("{} tensors of its optimizer are in /optimizer/<slot>/<number of the parameter>\n",
                      report.optimizer_tensors));
  if (!report.left_out.empty()) print("left out, being no tensors: " + listed(report.left_out) + "\n");
}

void import_run(const ImportArguments& arguments, const Registries& registries) {
  const GivenConfig given = arguments.config.given();
  const ImportedCheckpoint made =
      import_checkpoint({arguments.file, given.file, given.overrides, arguments.keys, arguments.output,
                         arguments.place, arguments.names},
                        registries);
  if (arguments.json)
    return print(pretty(OrderedJson{{"output", arguments.output},
                                    {"model_key", made.from.model_key},
                                    {"said", made.from.said},
                                    {"step", made.step.value},
                                    {"epoch", made.epoch.value},
                                    {"state_hash", made.state_hash.hex()},
                                    {"left_out", made.from.unused},
                                    {"differences", made.from.differences}}));
  print(fmt::format("{}: step {}, epoch {}, state hash {} ({})\n", arguments.output, made.step.value,
                    made.epoch.value, made.state_hash.hex(), found_in(made.from.model_key, made.from.said)));
  if (!made.from.unused.empty()) print("left out: " + listed(made.from.unused) + "\n");
  for (const std::string& difference : made.from.differences) print(printable(difference) + "\n");
  std::string command = "lockstep train -c " + shell_word(given.file);
  for (const std::string& one : given.overrides) command += " " + shell_word(one);
  print("\nGo on with:\n\n  " + command + " --resume " + shell_word(arguments.output) + "\n");
}

}  // namespace

void add_ckpt_import(CLI::App& ckpt, const Registries& registries) {
  CLI::App* verb = ckpt.add_subcommand("import",
                                       "Examples:\n"
                                       "  lockstep ckpt import resnet50.pth -o resnet50.h5\n"
                                       "  lockstep ckpt import checkpoint.pth -c run.yaml -o imported\n\n"
                                       "Reads what torch.save or safetensors wrote, without Python: the "
                                       "weights of any model, or with a config "
                                       "a checkpoint that training goes on from.");
  const auto arguments = std::make_shared<ImportArguments>();
  verb->add_option("FILE", arguments->file, "A .pth, .safetensors (or its index) or .h5 file")->required();
  arguments->config.add_to(*verb);
  verb->add_option("-o,--output", arguments->output, "The weights file, or with -c the checkpoint, to make")
      ->required()
      ->type_name("PATH");
  verb->add_option("--model-key", arguments->keys.model, "Where the model is, if not under a usual key")
      ->type_name("KEY");
  verb->add_option("--optimizer-key", arguments->keys.optimizer, "Where the optimizer is")->type_name("KEY");
  add_name_rules(*verb, arguments->names);
  verb->add_option("--step-key", arguments->place.step, "Where the number of complete steps is")
      ->type_name("KEY");
  verb->add_option("--epoch-key", arguments->place.epoch, "Where the number of the last complete epoch is")
      ->type_name("KEY");
  verb->add_flag("--json", arguments->json, "One JSON object");
  verb->callback([arguments, &registries] {
    if (!arguments->config.empty()) return import_run(*arguments, registries);
    if (!arguments->place.step.empty() || !arguments->place.epoch.empty())
      throw Fault(ExitCode::kUsage, "--step-key and --epoch-key have no effect without -c",
                  "Name the config: -c run.yaml");
    import_file(*arguments);
  });
}

}  // namespace lockstep
