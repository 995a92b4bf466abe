// SPDX-License-Identifier: Apache-2.0
#include "exchange/export.h"

#include <fmt/format.h>

#include <memory>

#include "checkpoint/reader.h"
#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "lockstep/base/error.h"
#include "models/python_names.h"

namespace lockstep {
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

void run_export(const ExportArguments& arguments) {
  const ExportFormat format = format_named(arguments.to);
  if (arguments.max_shard_bytes > 0 && format != ExportFormat::kSafetensors)
    throw Fault(ExitCode::kUsage, "--max-shard-size is for --to safetensors; other formats are one file");
  const auto reader = CheckpointReader::open(real_disk(), one_checkpoint(resolve_ckpt(arguments.directory)));
  const auto& config = reader->manifest().record.config;
  const auto type = config.find("model.type");
  const auto names = second_names_in_python(type == config.end() ? "" : type->second);
  const ExportReport report =
      export_checkpoint(real_disk(), *reader, arguments.output,
                        {format, arguments.weights_only, arguments.max_shard_bytes, names});
  const std::string python = python_for(arguments, report);
  if (arguments.json)
    return print(pretty(OrderedJson{{"checkpoint", reader->directory()},
                                    {"files", report.files},
                                    {"tensors", report.tensors},
                                    {"bytes", report.bytes},
                                    {"python", python}}));
  print(fmt::format("{}: {} tensors of step {}, {} bytes\n\nIn Python:\n\n{}", arguments.output,
                    report.tensors, reader->record().step.value, report.bytes, python));
}

}  // namespace

void add_ckpt_export(CLI::App& ckpt) {
  CLI::App* verb = ckpt.add_subcommand(
      "export",
      "Examples:\n"
      "  lockstep ckpt export runs/digits --to pth -o digits.pth\n"
      "  lockstep ckpt export runs/digits/ckpt/step-00000400 --to safetensors -o digits.safetensors\n\n"
      "Writes a checkpoint as a file that Python reads, and prints the lines that read it.");
  const auto arguments = std::make_shared<ExportArguments>();
  verb->add_option("DIR", arguments->directory, "A run directory, its ckpt folder, or a checkpoint")
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
