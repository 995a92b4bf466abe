// SPDX-License-Identifier: Apache-2.0
#include "cli/ckpt_command.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "checkpoint/catalog.h"
#include "checkpoint/damage.h"
#include "checkpoint/pointer.h"
#include "checkpoint/reader.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct CkptArguments {
  std::string directory;
  bool json = false;
};

// Paths need not be UTF-8; a name that is not is shown with replacement marks.
std::string pretty(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

// What DIR names, with links of the user's own resolved.
struct CkptTarget {
  std::string path;
  bool is_checkpoint = false;  // else a folder of checkpoints
};

// A name that claims a step is taken for a checkpoint even without a manifest: then its absence is the
// answer.
CkptTarget resolve(const std::string& directory) {
  std::error_code error;
  const fs::path path = fs::canonical(directory, error);
  if (error || !fs::is_directory(path, error))
    throw Fault(ExitCode::kInputMissing, directory + ": no such directory",
                "Give a run directory, its ckpt folder or a checkpoint");
  if (fs::exists(path / kManifestFile, error) || step_of_directory(path.string()))
    return {path.string(), true};
  if (fs::is_directory(path / "ckpt", error)) return {(path / "ckpt").string(), false};
  return {path.string(), false};
}

// Every checkpoint of a folder, whatever became of it, oldest first.
std::vector<CatalogEntry> checkpoints_in(const std::string& folder) {
  std::vector<CatalogEntry> entries = list_catalog(real_disk(), folder);
  std::erase_if(entries, [](const auto& e) {
    return e.kind == EntryKind::kForeign || e.kind == EntryKind::kUnfinished;
  });
  return entries;
}

std::uint64_t total_bytes(const Manifest& manifest) {
  std::uint64_t bytes = 0;
  for (const ManifestFile& file : manifest.files) bytes += file.bytes;
  return bytes;
}

// One row of `ls`. The digests of the tensors are for `verify`.
Json describe(const std::string& folder, const CatalogEntry& entry) {
  const auto pointed_at = [&](const char* pointer) {
    const auto found = read_pointer(real_disk(), folder + "/" + pointer);
    return found && found->directory == entry.name;
  };
  const bool live = entry.kind == EntryKind::kCheckpoint;
  Json row{{"directory", entry.name},
           {"step", entry.step.value},
           {"status", live                            ? "committed"
                      : entry.kind == EntryKind::kBad ? "bad"
                                                      : "left"},
           {"latest", pointed_at("latest")},
           {"best", pointed_at("best")}};
  try {
    const auto reader = CheckpointReader::open(real_disk(), folder + "/" + entry.name);
    row["epoch"] = reader->record().epoch.value;
    row["loss"] = reader->record().loss;
    row["metrics"] = reader->record().metrics;
    row["bytes"] = total_bytes(reader->manifest());
    row["state_hash"] = reader->state_hash().hex();
  } catch (const Fault& fault) {
    if (live) row["status"] = "damaged";
    row["reason"] = fault.what();
  }
  return row;
}

void list(const CkptArguments& arguments) {
  const CkptTarget target = resolve(arguments.directory);
  const std::string folder =
      target.is_checkpoint ? fs::path(target.path).parent_path().string() : target.path;
  Json rows = Json::array();
  for (const CatalogEntry& entry : checkpoints_in(folder)) rows.push_back(describe(folder, entry));
  if (arguments.json) return print(pretty(rows));
  if (rows.empty()) return print(folder + ": no checkpoints\n");
  print(fmt::format("{:<24} {:>10} {:>6} {:>12} {:>14}  {:<10} {}\n", "checkpoint", "step", "epoch", "loss",
                    "bytes", "status", "state hash"));
  for (const Json& row : rows) {
    std::string status = row["status"];
    if (row["latest"]) status += " latest";
    if (row["best"]) status += " best";
    const auto cell = [&](const char* name) { return row.contains(name) ? row[name].dump() : "-"; };
    print(fmt::format("{:<24} {:>10} {:>6} {:>12.8} {:>14}  {:<10} {}\n", std::string(row["directory"]),
                      cell("step"), cell("epoch"), cell("loss"), cell("bytes"), status,
                      row.contains("state_hash") ? std::string(row["state_hash"]) : "-"));
  }
}

// The checkpoint DIR names, or the newest of the folder it names.
std::string one_checkpoint(const CkptTarget& target) {
  if (target.is_checkpoint) return target.path;
  std::string newest;
  for (const CatalogEntry& entry : checkpoints_in(target.path))
    if (entry.kind == EntryKind::kCheckpoint) newest = target.path + "/" + entry.name;
  if (newest.empty()) throw Fault(ExitCode::kInputMissing, target.path + ": no checkpoint in it");
  return newest;
}

std::string shape_text(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

void show(const CkptArguments& arguments) {
  const auto reader = CheckpointReader::open(real_disk(), one_checkpoint(resolve(arguments.directory)));
  // The manifest is JSON already, and a reader of it should see exactly what is on disk.
  if (arguments.json) return print(read_text(real_disk(), reader->directory() + "/" + kManifestFile));
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
  print(fmt::format("\n{} tensors, {} bytes\n", reader->manifest().tensors.size(),
                    total_bytes(reader->manifest())));
  for (const ManifestTensor& tensor : reader->manifest().tensors)
    print(fmt::format("  {:<52} {:<10} {}\n", printable(tensor.key.path()), name_of(tensor.dtype),
                      shape_text(tensor.shape)));
}

Json verify_one(const std::string& directory) {
  Json row{{"directory", directory}, {"valid", true}};
  try {
    const auto reader = CheckpointReader::open(real_disk(), directory);
    reader->verify();
    row["step"] = reader->record().step.value;
    row["state_hash"] = reader->state_hash().hex();
  } catch (const CheckpointDamage& damage) {
    row["valid"] = false;
    row["reason"] = damage.reason();
    if (!damage.place().file.empty()) row["file"] = damage.place().file;
    if (!damage.place().tensor.empty()) row["tensor"] = damage.place().tensor;
    row["message"] = damage.what();
  }
  return row;
}

// Checkpoints already set aside as bad are known to be, so a folder of them is judged by the others.
int verify(const CkptArguments& arguments) {
  const CkptTarget target = resolve(arguments.directory);
  Json rows = Json::array();
  if (target.is_checkpoint) rows.push_back(verify_one(target.path));
  if (!target.is_checkpoint)
    for (const CatalogEntry& entry : checkpoints_in(target.path))
      if (entry.kind != EntryKind::kBad) rows.push_back(verify_one(target.path + "/" + entry.name));
  if (rows.empty()) throw Fault(ExitCode::kInputMissing, target.path + ": no checkpoint in it");
  bool valid = true;
  for (const Json& row : rows) {
    valid = valid && row["valid"];
    if (arguments.json) continue;
    print(row["valid"] ? fmt::format("{}: valid, state hash {}\n", std::string(row["directory"]),
                                     std::string(row["state_hash"]))
                       : fmt::format("{}\n", std::string(row["message"])));
  }
  if (arguments.json) print(pretty(Json{{"valid", valid}, {"checkpoints", rows}}));
  return static_cast<int>(valid ? ExitCode::kDone : ExitCode::kNoValidCheckpoint);
}

void add_verb(CLI::App& ckpt, const char* name, const char* help,
              std::function<void(const CkptArguments&)> run) {
  CLI::App* verb = ckpt.add_subcommand(name, help);
  auto arguments = std::make_shared<CkptArguments>();
  verb->add_option("DIR", arguments->directory, "A run directory, its ckpt folder, or a checkpoint")
      ->required();
  verb->add_flag("--json", arguments->json, "Print JSON");
  verb->callback([arguments, run = std::move(run)] { run(*arguments); });
}

}  // namespace

void add_ckpt_command(CLI::App& app, int& exit_code) {
  CLI::App* ckpt = app.add_subcommand("ckpt",
                                      "Examples:\n"
                                      "  lockstep ckpt ls runs/digits\n"
                                      "  lockstep ckpt verify runs/digits/ckpt/step-00000400\n\n"
                                      "Lists, shows and verifies checkpoints.");
  ckpt->require_subcommand(1);
  add_verb(*ckpt, "ls",
           "Examples:\n"
           "  lockstep ckpt ls runs/digits\n"
           "  lockstep ckpt ls runs/digits --json\n\n"
           "Lists the checkpoints of a run, also those set aside.",
           list);
  add_verb(*ckpt, "show",
           "Examples:\n"
           "  lockstep ckpt show runs/digits\n"
           "  lockstep ckpt show runs/digits/ckpt/step-00000400 --json\n\n"
           "Shows what a checkpoint holds; of a run directory, the newest.",
           show);
  add_verb(*ckpt, "verify",
           "Examples:\n"
           "  lockstep ckpt verify runs/digits\n"
           "  lockstep ckpt verify runs/digits/ckpt/step-00000400 --json\n\n"
           "Reads checkpoints whole and compares every digest; 65 when one is damaged.",
           [&exit_code](const CkptArguments& arguments) { exit_code = verify(arguments); });
}

}  // namespace lockstep
