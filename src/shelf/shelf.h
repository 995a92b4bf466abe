// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/catalog.h"
#include "checkpoint/reader.h"
#include "lockstep/base/disk.h"
#include "shelf/retention.h"

namespace lockstep {

class VerifiedLedger;

// What retention knows of a checkpoint with this record, as its manifest gives it back. Local.
RetentionEntry retention_entry(const TrainRecord& record, const std::string& metric);

// The checkpoints of one folder, judged alike by the run that saves, by `ckpt prune` and by `ckpt repair`:
// which count, what each measured, what tags keep. Others (a person, a copy job) work in the folder too, so
// it is listed anew each time; manifests never change, so each is read once. Local; one thread.
class Shelf {
 public:
  Shelf(Disk& disk, std::string folder, const VerifiedLedger& ledger)
      : disk_(disk), folder_(std::move(folder)), ledger_(ledger) {}

  Disk& disk() const { return disk_; }
  const std::string& folder() const { return folder_; }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::vector<CatalogEntry> entries(EntryKind kind) const;

  // Throws CheckpointDamage, also for one that a full look found bad and that has not changed since.
  std::unique_ptr<CheckpointReader> open(const std::string& name) const;
  // What `best` names.
  std::optional<Step> best() const;

  // Those that count, by step: with a good manifest, found bad by nobody. A damaged one is left for others to
  // refuse: it is neither counted among those kept nor removed.
  std::vector<RetentionEntry> usable(const std::string& metric);
  // The same, those pinned that tags keep. `unreadable`: tags of which nobody can say what they keep; while
  // there are any, nothing may be removed.
  std::vector<RetentionEntry> usable(const std::string& metric, std::vector<std::string>& unreadable);

  void know(const TrainRecord& record) { known_[record.step] = record.metrics; }
  void forget(Step step) { known_.erase(step); }
  // Found bad, and still in its place.
  void disregard(Step step) { bad_.insert(step); }
  bool disregards(Step step) const { return bad_.contains(step); }

 private:
  Disk& disk_;
  std::string folder_;
  const VerifiedLedger& ledger_;
  std::map<Step, std::map<std::string, double>> known_;  // metrics
  std::set<Step> bad_;
};

}  // namespace lockstep
