// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "base/folder_owner.h"
#include "checkpoint/damage.h"
#include "checkpoint/reader.h"
#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "shelf/verified_ledger.h"

namespace lockstep {
namespace {

// In a folder that a store keeps, `ls` shows the result from now on. Another user's is read only. Says false
// when it was not kept.
bool note(const CheckpointReader& reader, Soundness verdict) {
  const std::string folder = std::filesystem::path(reader.directory()).parent_path().string();
  if (!real_disk().info(folder + "/latest") || is_folder_of_another(folder)) return false;
  return VerifiedLedger(real_disk(), folder).note(reader, verdict);
}

OrderedJson verify_one(const std::string& directory) {
  OrderedJson row{{"directory", directory}, {"valid", true}, {"noted", false}};
  std::unique_ptr<CheckpointReader> reader;
  try {
    reader = CheckpointReader::open(real_disk(), directory);
    reader->verify();
    row["noted"] = note(*reader, Soundness::kGood);
    row["step"] = reader->record().step.value;
    row["state_hash"] = reader->state_hash().hex();
  } catch (const CheckpointDamage& damage) {
    row["valid"] = false;
    row["reason"] = damage.reason();
    if (!damage.place().file.empty()) row["file"] = damage.place().file;
    if (!damage.place().tensor.empty()) row["tensor"] = damage.place().tensor;
    row["message"] = damage.what();
    // Without a manifest there is nothing to tell this checkpoint by.
    if (reader) row["noted"] = note(*reader, Soundness::kBad);
  }
  return row;
}

// Checkpoints already set aside as bad are known to be, so a folder of them is judged by the others.
int verify(const std::string& directory, bool json) {
  const CkptTarget target = resolve_ckpt(directory);
  OrderedJson rows = OrderedJson::array();
  if (target.is_checkpoint) rows.push_back(verify_one(target.path));
  if (!target.is_checkpoint)
    for (const CatalogEntry& entry : checkpoints_in(target.path))
      if (entry.kind != EntryKind::kBad) rows.push_back(verify_one(target.path + "/" + entry.name));
  if (rows.empty()) throw Fault(ExitCode::kInputMissing, target.path + ": no checkpoint in it");
  bool valid = true;
  for (const OrderedJson& row : rows) {
    valid = valid && row["valid"];
    if (json) continue;
    print(row["valid"]
              ? fmt::format(
                    "{}: valid, state hash {}{}\n", std::string(row["directory"]),
                    std::string(row["state_hash"]),
                    row["noted"]
                        ? ""
                        : " (not noted: its folder is no run's or another user's, or cannot be written)")
              : fmt::format("{}\n", std::string(row["message"])));
  }
  if (json) print(pretty(OrderedJson{{"valid", valid}, {"checkpoints", rows}}));
  return static_cast<int>(valid ? ExitCode::kDone : ExitCode::kNoValidCheckpoint);
}

}  // namespace

void add_ckpt_verify(CLI::App& ckpt, int& exit_code) {
  CLI::App* verb =
      ckpt.add_subcommand("verify",
                          "Examples:\n"
                          "  lockstep ckpt verify runs/digits\n"
                          "  lockstep ckpt verify runs/digits/ckpt/step-00000400 --json\n\n"
                          "Reads checkpoints whole and compares every digest; 65 when one is damaged.");
  const auto directory = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  verb->add_option("DIR", *directory, "A run directory, its ckpt folder, or a checkpoint")->required();
  verb->add_flag("--json", *json, "Print JSON");
  verb->callback([directory, json, &exit_code] { exit_code = verify(*directory, *json); });
}

}  // namespace lockstep
