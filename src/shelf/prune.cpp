// SPDX-License-Identifier: Apache-2.0
#include "shelf/prune.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "checkpoint/catalog.h"
#include "checkpoint/reader.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "shelf/retention.h"
#include "shelf/shelf.h"
#include "shelf/verified_ledger.h"

namespace lockstep {

namespace {

// Counted from the disk: what is given back is what lies there, listed in the manifest or not.
std::uint64_t bytes_below(Disk& disk, const std::string& directory) {
  std::uint64_t bytes = 0;
  for (const std::string& name : disk.list(directory)) {
    const auto info = disk.info(directory + "/" + name);
    if (info && !info->is_directory) bytes += info->bytes;
  }
  return bytes;
}

void read_number(const TrainRecord& record, const std::string& key, std::int64_t& into) {
  const auto found = record.config.find(key);
  if (found == record.config.end()) return;
  const char* end = found->second.data() + found->second.size();
  std::int64_t number = 0;
  if (std::from_chars(found->second.data(), end, number).ptr == end) into = number;
}

void read_word(const TrainRecord& record, const std::string& key, std::string& into) {
  const auto found = record.config.find(key);
  if (found != record.config.end()) into = found->second;
}

}  // namespace

CheckpointOptions rules_in(const TrainRecord& record) {
  CheckpointOptions rules;
  read_number(record, "checkpoint.keep_last", rules.keep_last);
  read_number(record, "checkpoint.keep_every", rules.keep_every);
  read_number(record, "checkpoint.keep_best.count", rules.keep_best.count);
  read_word(record, "checkpoint.keep_best.metric", rules.keep_best.metric);
  std::string mode;
  read_word(record, "checkpoint.keep_best.mode", mode);
  rules.keep_best.mode = from_word<BestMode>(mode).value_or(BestMode::kMin);
  return rules;
}

PrunePlan plan_prune(Disk& disk, const std::string& folder, const CheckpointOptions& options) {
  const VerifiedLedger ledger(disk, folder);
  Shelf shelf(disk, folder, ledger);
  std::vector<std::string> unreadable;
  const std::vector<RetentionEntry> entries = shelf.usable(options.keep_best.metric, unreadable);
  if (!unreadable.empty())
    throw Fault(
        ExitCode::kNoValidCheckpoint,
        fmt::format("{}: what these tags keep cannot be read: {}", folder, fmt::join(unreadable, ", ")),
        "Set each again, or take it off: lockstep ckpt tag --remove");
  const auto gone = steps_to_prune(entries, options, shelf.best());
  PrunePlan plan;
  for (const RetentionEntry& entry : entries) {
    const bool goes = std::ranges::find(gone, entry.step) != gone.end();
    const std::string name = step_directory(entry.step);
    (goes ? plan.removed : plan.kept).push_back({name, bytes_below(disk, shelf.path(name))});
  }
  return plan;
}

void carry_out(Disk& disk, const std::string& folder, const PrunePlan& plan,
               const std::function<void(const PrunePlan::Item&)>& removed) {
  if (plan.removed.empty()) return;
  check(!plan.kept.empty(), "the newest checkpoint is always kept");
  const auto newest = CheckpointReader::open(disk, folder + "/" + plan.kept.back().directory);
  VerifiedLedger ledger(disk, folder);
  if (!fault_requested("guard.skip_prune_verify")) newest->verify();
  ledger.note(*newest, Soundness::kGood);
  for (const PrunePlan::Item& item : plan.removed) {
    remove_checkpoint(disk, Generation(disk, folder), folder + "/" + item.directory);
    removed(item);
  }
}

void remove_checkpoint(Disk& disk, const Generation& generation, const std::string& path) {
  const std::string trash = generation.leaving(path.substr(path.rfind('/') + 1));
  remove_tree(disk, trash);
  disk.rename(path, trash);
  remove_tree(disk, trash);
}

}  // namespace lockstep
