// SPDX-License-Identifier: Apache-2.0
#include "exchange/export.h"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>

#include "base/run_layout.h"
#include "base/shell_word.h"
#include "checkpoint/reader.h"
#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "models/python_names.h"
#include "named/find_checkpoint.h"
#include "named/what_is.h"
#include "shelf/pointer.h"

namespace lockstep {

namespace fs = std::filesystem;

namespace {

struct ExportArguments {
  std::string directory;
  std::string to;
  std::string output;
  std::uint64_t max_shard_bytes = 0;
  bool weights_only = false;
  bool json = false;
};

// A JSON string is a Python string too.
std::string quoted(const std::string& text) {
  return OrderedJson(text).dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::string python_for_pth(const ExportArguments& arguments) {
  const std::string file = quoted(arguments.output);
  if (arguments.weights_only)
    return fmt::format(
        "import torch\nmodel.load_state_dict(torch.load({}, weights_only=True))\nmodel.eval()\n", file);
  return fmt::format(
      "import torch\n"
      "checkpoint = torch.load({}, weights_only=True)\n"
      "model.load_state_dict(checkpoint[\"model_state_dict\"])\n"
      "optimizer.load_state_dict(checkpoint[\"optimizer_state_dict\"])\n"
      "first_epoch = checkpoint[\"epoch\"] + 1  # epoch is the last complete one\n",
      file);
}

std::string python_for_safetensors(const ExportArguments& arguments, const ExportReport& report) {
  const std::string file = quoted(arguments.output);
  if (arguments.max_shard_bytes == 0)
    return fmt::format("from safetensors.torch import load_model\nload_model(model, {})\nmodel.eval()\n",
                       file);
  std::string text = fmt::format(
      "import pathlib\n"
      "from safetensors.torch import load_file\n"
      "state = {{}}\n"
      "for shard in sorted(pathlib.Path({}).glob(\"*.safetensors\")):\n"
      "    state.update(load_file(shard))\n",
      file);
  for (const auto& [name, first] : report.tied)
    text += fmt::format("state[{}] = state[{}]\n", quoted(name), quoted(first));
  return text + "model.load_state_dict(state)\nmodel.eval()\n";
}

std::string python_for_hdf5(const ExportArguments& arguments) {
  return fmt::format(
      "import h5py, torch\n"
      "with h5py.File({}) as file:\n"
      "    state = {{name: torch.as_tensor(tensor[()]) for name, tensor in file[\"model\"].items()}}\n"
      "model.load_state_dict(state)\n"
      "model.eval()\n",
      quoted(arguments.output));
}

ExportFormat format_named(const std::string& name) {
  if (name == "safetensors") return ExportFormat::kSafetensors;
  return name == "hdf5" ? ExportFormat::kHdf5 : ExportFormat::kPth;
}

std::string python_for(const ExportArguments& arguments, const ExportReport& report) {
  switch (format_named(arguments.to)) {
    case ExportFormat::kSafetensors:
      return python_for_safetensors(arguments, report);
    case ExportFormat::kHdf5:
      return python_for_hdf5(arguments);
    default:
      return python_for_pth(arguments);
  }
}

// A run's file of weights is no checkpoint, and the one it was made of is near.
void refuse_weights_file(const std::string& given) {
  if (checkpoint_of_file(given) || what_is(given).kind != PathKind::kHdf5) return;
  const fs::path folder = fs::path(given).parent_path() / kCheckpointsFolder;
  std::error_code ignored;
  std::string remedy = "h5py reads it as it is; or give a run directory, its ckpt folder or a checkpoint";
  for (const char* pointer : {"latest", "best"})
    if (fs::exists(folder / pointer, ignored))
      remedy = "Export the checkpoint it was made of: lockstep ckpt export " +
               shell_word((folder / pointer).string()) + " --weights-only";
  throw Fault(ExitCode::kInputMissing, printable(given) + ": no checkpoint, but a file of HDF5", remedy);
}

// Of a folder of checkpoints, of which the newest is taken: which is the best, where there is one.
std::optional<Step> best_of(const CkptTarget& target) {
  if (target.is_checkpoint) return std::nullopt;
  const auto best = read_pointer(real_disk(), target.path + "/best");
  return best ? step_of_directory(best->directory) : std::nullopt;
}

// " (the newest; the best is step 8: runs/digits/ckpt/best)"
std::string newest_or_best(const std::string& given, Step exported, std::optional<Step> best) {
  if (!best || *best == exported) return "";
  std::error_code ignored;
  const fs::path folder(given);
  const bool is_run = fs::is_directory(folder / kCheckpointsFolder, ignored);
  const fs::path pointer = (is_run ? folder / kCheckpointsFolder : folder) / "best";
  return fmt::format(" (the newest; the best is step {}: {})", best->value, printable(pointer.string()));
}

void run_export(const ExportArguments& arguments) {
  const ExportFormat format = format_named(arguments.to);
  if (arguments.max_shard_bytes > 0 && format != ExportFormat::kSafetensors)
    throw Fault(ExitCode::kUsage, "--max-shard-size is for --to safetensors; other formats are one file");
  refuse_weights_file(arguments.directory);
  const CkptTarget target = resolve_ckpt(arguments.directory);
  const auto reader = CheckpointReader::open(real_disk(), one_checkpoint(target));
  const std::optional<Step> best = best_of(target);
  const auto& config = reader->manifest().record.config;
  const auto type = config.find("model.type");
  const auto names = second_names_in_python(type == config.end() ? "" : type->second);
  const ExportReport report =
      export_checkpoint(real_disk(), *reader, arguments.output,
                        {format, arguments.weights_only, arguments.max_shard_bytes, names});
  const std::string python = python_for(arguments, report);
  if (arguments.json)
    return print(pretty(OrderedJson{{"checkpoint", reader->directory()},
                                    {"best_step", best ? OrderedJson(best->value) : OrderedJson()},
                                    {"files", report.files},
                                    {"tensors", report.tensors},
                                    {"bytes", report.bytes},
                                    {"python", python}}));
  const Step step = reader->record().step;
  print(fmt::format("{}: {} tensors of step {}{}, {} bytes\n\nIn Python:\n\n{}", arguments.output,
                    report.tensors, step.value, newest_or_best(arguments.directory, step, best), report.bytes,
                    python));
}

}  // namespace

void add_ckpt_export(CLI::App& ckpt) {
  CLI::App* verb = ckpt.add_subcommand(
      "export",
      "Examples:\n"
      "  lockstep ckpt export runs/digits/ckpt/best --to pth -o digits.pth\n"
      "  lockstep ckpt export runs/digits/ckpt/step-00000400 --to safetensors -o digits.safetensors\n\n"
      "Writes a checkpoint as a file that Python reads, and prints the lines that read it.");
  const auto arguments = std::make_shared<ExportArguments>();
  verb->add_option("DIR", arguments->directory,
                   "A run directory or its ckpt folder (the newest), or a checkpoint: DIR/ckpt/best")
      ->required();
  verb->add_option("--to", arguments->to, "pth, safetensors or hdf5")
      ->required()
      ->check(CLI::IsMember({"pth", "safetensors", "hdf5"}));
  verb->add_option("-o,--output", arguments->output, "The file to make; it must not be there yet")
      ->required()
      ->type_name("FILE");
  verb->add_flag("--weights-only", arguments->weights_only,
                 "The model's state_dict alone, without optimizer, epoch and loss (safetensors: always)");
  verb->add_option("--max-shard-size", arguments->max_shard_bytes,
                   "safetensors: make a folder of shards of at most this size, as 2GB, and their index")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->type_name("SIZE");
  verb->add_flag("--json", arguments->json, "One JSON object");
  verb->callback([arguments] { run_export(*arguments); });
}

}  // namespace lockstep
