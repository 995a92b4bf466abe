// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>

#include "checkpoint/reader.h"
#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "shelf/pointer.h"
#include "shelf/prune.h"
#include "shelf/tags.h"
#include "shelf/verified_ledger.h"

namespace lockstep {
namespace {

// What the rows of one folder have in common.
struct Folder {
  std::string path;
  std::optional<CheckpointPointer> latest;
  std::optional<CheckpointPointer> best;
  std::map<std::string, std::vector<std::string>> tags;  // by directory
};

Folder look_at(const std::string& path) {
  Folder folder{
      path, read_pointer(real_disk(), path + "/latest"), read_pointer(real_disk(), path + "/best"), {}};
  for (const CheckpointTag& tag : list_tags(real_disk(), path))
    if (const auto directory = directory_of(real_disk(), path, tag))
      folder.tags[*directory].push_back(tag.name);
  return folder;
}

const char* status_of(EntryKind kind) {
  if (kind == EntryKind::kCheckpoint) return "committed";
  return kind == EntryKind::kBad ? "bad" : "left";
}

// What only a good manifest tells. The metric is the one that the run keeps its best by.
void add_contents(const std::string& folder, const CheckpointReader& reader, OrderedJson& row) {
  const TrainRecord& record = reader.record();
  const std::string metric = rules_in(record).keep_best.metric;
  const auto value = record.metrics.find(metric);
  const auto verdict = VerifiedLedger(real_disk(), folder).of(reader);
  row["epoch"] = record.epoch.value;
  row["loss"] = record.loss;
  row["metric"] =
      value == record.metrics.end() ? OrderedJson() : OrderedJson{{"name", metric}, {"value", value->second}};
  row["metrics"] = record.metrics;
  row["bytes"] = total_bytes(reader.manifest());
  row["layout"] = reader.manifest().layout;
  row["world"] = record.world.value;
  row["verified"] = !verdict ? OrderedJson() : OrderedJson(*verdict == Soundness::kGood);
  row["state_hash"] = reader.state_hash().hex();
}

// One row. The digests of the tensors are for `verify`.
OrderedJson describe(const Folder& folder, const CatalogEntry& entry) {
  const auto named_by = [&](const std::optional<CheckpointPointer>& pointer) {
    return pointer && pointer->directory == entry.name;
  };
  const auto tags = folder.tags.find(entry.name);
  OrderedJson row{{"directory", entry.name},
                  {"step", entry.step.value},
                  {"status", status_of(entry.kind)},
                  {"latest", named_by(folder.latest)},
                  {"best", named_by(folder.best)},
                  {"tags", tags == folder.tags.end() ? OrderedJson::array() : OrderedJson(tags->second)}};
  try {
    add_contents(folder.path, *CheckpointReader::open(real_disk(), folder.path + "/" + entry.name), row);
  } catch (const Fault& fault) {
    if (entry.kind == EntryKind::kCheckpoint) row["status"] = "damaged";
    row["reason"] = fault.what();
  }
  return row;
}

constexpr const char* kRow = "{:<22} {:>9} {:>10} {:>11} {:>22} {:<12} {:>5} {:<8} {}\n";

// Rounded to be read, never cut: what follows an exponent's "e" is most of the number.
std::string rounded(const OrderedJson& number) {
  return number.is_number() ? fmt::format("{:.6g}", number.get<double>()) : "-";
}

std::string as_line(const OrderedJson& row) {
  const auto cell = [&](const char* name) {
    if (!row.contains(name) || row[name].is_null()) return std::string("-");
    return row[name].is_string() ? row[name].get<std::string>() : row[name].dump();
  };
  std::string standing = row["status"];
  if (row["latest"]) standing += " latest";
  if (row["best"]) standing += " best";
  for (const OrderedJson& tag : row["tags"]) standing += " tag:" + tag.get<std::string>();
  const bool metric = row.contains("metric") && !row["metric"].is_null();
  const std::string verified = cell("verified");
  return fmt::format(kRow, cell("directory"), cell("step"),
                     row.contains("bytes") ? human_bytes(row["bytes"]) : "-",
                     rounded(row.value("loss", OrderedJson())),
                     metric ? fmt::format("{} {}", printable(row["metric"]["name"].get<std::string>()),
                                          rounded(row["metric"]["value"]))
                            : "-",
                     printable(cell("layout")), cell("world"),
                     verified == "true"    ? "yes"
                     : verified == "false" ? "bad"
                                           : "-",
                     standing);
}

void list(const std::string& directory, bool json) {
  const Folder folder = look_at(resolve_ckpt(directory).folder());
  OrderedJson rows = OrderedJson::array();
  for (const CatalogEntry& entry : checkpoints_in(folder.path)) rows.push_back(describe(folder, entry));
  if (json) return print(pretty(rows));
  if (rows.empty()) return print(folder.path + ": no checkpoints\n");
  print(fmt::format(kRow, "checkpoint", "step", "size", "loss", "metric", "layout", "world", "verified",
                    "standing"));
  for (const OrderedJson& row : rows) print(as_line(row));
}

}  // namespace

void add_ckpt_ls(CLI::App& ckpt) {
  CLI::App* verb = ckpt.add_subcommand(
      "ls",
      "Examples:\n"
      "  lockstep ckpt ls runs/digits\n"
      "  lockstep ckpt ls runs/digits --json\n\n"
      "Lists the checkpoints of a run, also those set aside. Verified: what the last full look said, while "
      "the files are the same.");
  const auto directory = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  verb->add_option("DIR", *directory, "A run directory, its ckpt folder, or a checkpoint")->required();
  verb->add_flag("--json", *json, "Print JSON");
  verb->callback([directory, json] { list(*directory, *json); });
}

}  // namespace lockstep
