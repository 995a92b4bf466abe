// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "checkpoint/reader.h"
#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "cli/tensor_tree.h"
#include "lockstep/base/log.h"
#include "named/find_checkpoint.h"
#include "shelf/tags.h"
#include "shelf/verified_ledger.h"

namespace lockstep {
namespace {

// What is known of it beside its own manifest: tags, and the last full look.
std::string standing(const CheckpointReader& reader) {
  const std::filesystem::path path(reader.directory());
  const std::string folder = path.parent_path().string();
  std::string tags;
  if (step_of_directory(reader.directory()))
    for (const CheckpointTag& tag : list_tags(real_disk(), folder))
      if (directory_of(real_disk(), folder, tag) == path.filename().string())
        tags += (tags.empty() ? "" : ", ") + tag.name;
  const auto verdict = VerifiedLedger(real_disk(), folder).of(reader);
  return fmt::format("verified    {}\n{}",
                     !verdict                       ? "not since it was written, as far as is noted"
                     : *verdict == Soundness::kGood ? "yes"
                                                    : "no: it is damaged",
                     tags.empty() ? "" : "tags        " + tags + "\n");
}

// Where in the data it goes on, and what of the model does not train.
std::string place_and_modes(const TrainRecord& record) {
  std::string out;
  if (record.epoch_samples > 0)
    out += fmt::format("data        {} of {} samples of epoch {}\n", record.epoch_offset,
                       record.epoch_samples, record.epoch.value);
  const auto list = [&](const char* title, const std::vector<std::string>& names) {
    if (names.empty()) return;
    out += fmt::format("{:<12}", title);
    for (const std::string& name : names) out += (name.empty() ? "(the model)" : printable(name)) + " ";
    out.back() = '\n';
  };
  list("eval mode", record.eval_modules);
  list("frozen", record.frozen);
  if (record.extra != "{}") out += fmt::format("extra       {}\n", printable(record.extra));
  return out;
}

void show(const std::string& directory, bool json) {
  std::error_code ignored;
  if (std::filesystem::is_regular_file(directory, ignored) && !checkpoint_of_file(directory))
    return show_file(directory, json);
  const auto reader = CheckpointReader::open(real_disk(), one_checkpoint(resolve_ckpt(directory)));
  // The manifest is JSON already, and a reader of it should see exactly what is on disk.
  if (json) return print(read_text(real_disk(), reader->directory() + "/" + kManifestFile));
  const TrainRecord& record = reader->record();
  print(
      fmt::format("checkpoint  {}\nrun         {}\nformat      {} ({})\nstep        {}\nepoch       {}\nloss "
                  "       {}\nlr          {}\n",
                  reader->directory(), printable(record.run_id), reader->manifest().format,
                  reader->manifest().layout, record.step.value, record.epoch.value, record.loss, record.lr));
  for (const auto& [name, value] : record.metrics) print(fmt::format("{:<11} {}\n", printable(name), value));
  print(
      fmt::format("seed        {}\nworld       {} ranks, {} micro-batches a step, attempt {}\nmetadata    "
                  "{}\nstate hash  {}\n",
                  record.seed, record.world.value, record.micro_batches, record.attempt.value,
                  printable(record.metadata), reader->state_hash().hex()));
  print(place_and_modes(record));
  print(standing(*reader));
  std::vector<WeightsTensor> tensors;
  for (const ManifestTensor& tensor : reader->manifest().tensors) tensors.push_back({tensor, ""});
  print(fmt::format("\n{} tensors, {}\n", tensors.size(), human_bytes(total_bytes(reader->manifest()))));
  print(tensor_tree(tensors));
}

}  // namespace

void add_ckpt_show(CLI::App& ckpt) {
  CLI::App* verb = ckpt.add_subcommand("show",
                                       "Examples:\n"
                                       "  lockstep ckpt show runs/digits\n"
                                       "  lockstep ckpt show resnet50.pth --json\n\n"
                                       "Shows what a checkpoint or a file of weights holds; of a run "
                                       "directory, the newest.");
  const auto directory = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  verb->add_option("DIR", *directory,
                   "A run directory, its ckpt folder, a checkpoint, or a .pth, .safetensors or .h5 file")
      ->required();
  verb->add_flag("--json", *json, "Print the manifest as it is; JSON for a file");
  verb->callback([directory, json] { show(*directory, *json); });
}

}  // namespace lockstep
