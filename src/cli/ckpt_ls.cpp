// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include "checkpoint/pointer.h"
#include "checkpoint/reader.h"
#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// One row. The digests of the tensors are for `verify`.
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

void list(const std::string& directory, bool json) {
  const std::string folder = resolve_ckpt(directory).folder();
  Json rows = Json::array();
  for (const CatalogEntry& entry : checkpoints_in(folder)) rows.push_back(describe(folder, entry));
  if (json) return print(pretty(rows));
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

}  // namespace

void add_ckpt_ls(CLI::App& ckpt) {
  CLI::App* verb = ckpt.add_subcommand("ls",
                                       "Examples:\n"
                                       "  lockstep ckpt ls runs/digits\n"
                                       "  lockstep ckpt ls runs/digits --json\n\n"
                                       "Lists the checkpoints of a run, also those set aside.");
  const auto directory = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  verb->add_option("DIR", *directory, "A run directory, its ckpt folder, or a checkpoint")->required();
  verb->add_flag("--json", *json, "Print JSON");
  verb->callback([directory, json] { list(*directory, *json); });
}

}  // namespace lockstep
