// SPDX-License-Identifier: Apache-2.0
#include "shelf/repair.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "checkpoint/catalog.h"
#include "checkpoint/damage.h"
#include "checkpoint/index.h"
#include "checkpoint/reader.h"
#include "shelf/pointer.h"
#include "shelf/prune.h"
#include "shelf/retention.h"
#include "shelf/shelf.h"
#include "shelf/tags.h"
#include "shelf/verified_ledger.h"

namespace lockstep {

namespace {

// A checkpoint that verifies, under the name it has or will have.
struct Good {
  CheckpointPointer pointer;
  TrainRecord record;
};
using GoodByStep = std::map<Step, Good>;

// `latest` and `best`, which name the newest and the best of those that verify.
class PointerRepair {
 public:
  PointerRepair(const Shelf& shelf, const GoodByStep& good, RepairMode mode,
                const std::function<void(const RepairLine&)>& say)
      : disk_(shelf.disk()), shelf_(shelf), good_(good), mends_(mode == RepairMode::kMend), say_(say) {}

  void mend_latest() {
    const CheckpointPointer& newest = good_.rbegin()->second.pointer;
    const auto now = read_pointer(disk_, path("latest"));
    if (now == newest) return;
    const std::string fault = fault_of("latest", now);
    mend_pointer("latest", fault.empty() ? "it names " + now->directory + ", not the newest" : fault, newest);
  }

  void mend_best() {
    const bool there = disk_.info(path("best")).has_value();
    const KeepBest rule = rules_in(good_.rbegin()->second.record).keep_best;
    if (!there && rule.count == 0) return;
    const std::string fault = fault_of("best", read_pointer(disk_, path("best")));
    if (fault.empty()) return;
    std::vector<RetentionEntry> entries;
    for (const auto& [step, good] : good_) entries.push_back(retention_entry(good.record, rule.metric));
    const std::vector<Step> best = best_steps(entries, rule);
    if (!best.empty())
      mend_pointer("best", fault, good_.at(best.front()).pointer);
    else if (there)
      mend_pointer("best", fault, std::nullopt);
  }

 private:
  std::string path(const std::string& name) const { return shelf_.path(name); }

  void mend_pointer(const std::string& pointer, const std::string& finding,
                    const std::optional<CheckpointPointer>& target) {
    if (mends_ && target) write_pointer(disk_, path(pointer), *target);
    if (mends_ && !target) {
      disk_.remove(path(pointer));
      disk_.sync_directory(shelf_.folder());
    }
    say_({pointer, finding, target ? "pointed at " + target->directory : "removed"});
  }

  // What is wrong with a pointer, whatever it should name; empty when it names a checkpoint that verifies.
  std::string fault_of(const std::string& pointer, const std::optional<CheckpointPointer>& now) const {
    if (!disk_.info(path(pointer))) return "it is missing";
    if (!now) return "it is damaged";
    for (const auto& [step, good] : good_)
      if (good.pointer == *now) return "";
    return "it names " + now->directory + ", which is gone, bad or another one";
  }

  Disk& disk_;
  const Shelf& shelf_;
  const GoodByStep& good_;
  bool mends_;
  const std::function<void(const RepairLine&)>& say_;
};

class Repair {
 public:
  Repair(Disk& disk, const std::string& folder, RepairMode mode,
         const std::function<void(const RepairLine&)>& say)
      : disk_(disk),
        folder_(folder),
        mode_(mode),
        say_(say),
        ledger_(disk, folder),
        shelf_(disk, folder, ledger_) {}

  bool run() {
    // Listed before anything moves: what is set aside now has just been looked at.
    const std::vector<CatalogEntry> entries = list_catalog(disk_, folder_);
    remove_leftovers(entries);
    for (const CatalogEntry& entry : entries)
      if (entry.kind == EntryKind::kCheckpoint) judge(entry);
    for (const CatalogEntry& entry : entries)
      if (entry.kind == EntryKind::kBad) bring_back(entry);
    if (!good_.empty()) {
      PointerRepair pointers(shelf_, good_, mode_, say_);
      pointers.mend_latest();
      pointers.mend_best();
    }
    name_lost_tags();
    return !good_.empty();
  }

 private:
  bool mending() const { return mode_ == RepairMode::kMend; }
  std::string path(const std::string& name) const { return shelf_.path(name); }

  void rename(const std::string& from, const std::string& to) {
    if (!mending()) return;
    disk_.rename(path(from), path(to));
    disk_.sync_directory(folder_);
  }

  void remove_leftovers(const std::vector<CatalogEntry>& entries) {
    std::vector<std::string> names;
    for (const CatalogEntry& entry : entries)
      if (entry.kind == EntryKind::kUnfinished) names.push_back(entry.name);
    for (const std::string file : {"latest.part", "best.part", "verified.part"})
      if (disk_.info(path(file))) names.push_back(file);
    for (const std::string& name : names) {
      if (mending()) remove_tree(disk_, path(name));
      say_({name, "left by a save or a removal that did not finish", "removed"});
    }
  }

  // Why the checkpoint in this directory must not be used; empty when it verifies, and then it is in good_.
  std::optional<std::string> verify(const std::string& directory, const std::string& name) {
    try {
      const auto reader = CheckpointReader::open(disk_, path(directory));
      reader->verify();
      good_[reader->record().step] = {{name, reader->manifest().digest}, reader->record()};
      if (mending() && directory == name) ledger_.note(*reader, Soundness::kGood);
      return std::nullopt;
    } catch (const CheckpointDamage& damage) {
      if (damage.place().file == kIndexFile && mend_index(directory, name, damage.reason()))
        return std::nullopt;
      std::string reason = damage.reason();
      if (!damage.place().tensor.empty()) reason = "tensor " + damage.place().tensor + ": " + reason;
      return damage.place().file.empty() ? reason : damage.place().file + ": " + reason;
    } catch (const Fault& fault) {
      return fault.fact();
    }
  }

  // The index holds nothing of its own: where it alone is bad it is made anew from the manifest.
  bool mend_index(const std::string& directory, const std::string& name, const std::string& finding) {
    try {
      const Manifest manifest = verify_all_but_index(disk_, path(directory));
      good_[manifest.record.step] = {{name, manifest.digest}, manifest.record};
    } catch (const Fault&) {
      return false;
    }
    if (mending()) rebuild_index(disk_, path(directory));
    say_({directory + "/" + kIndexFile, finding, "made anew from the manifest"});
    return true;
  }

  void judge(const CatalogEntry& entry) {
    const auto reason = verify(entry.name, entry.name);
    if (!reason) return;
    const std::string aside = free_name(disk_, folder_, entry.name + ".bad");
    rename(entry.name, aside);
    free_.insert(entry.step);
    say_({entry.name, *reason, "set aside as " + aside});
  }

  void bring_back(const CatalogEntry& entry) {
    const std::string name = step_directory(entry.step);
    const bool is_free = free_.contains(entry.step) || !disk_.info(path(name));
    // Another one of this step is good, or something of a person's has the name.
    if (good_.contains(entry.step) || !is_free || verify(entry.name, name)) return;
    rename(entry.name, name);
    say_({entry.name, "it verifies after all", "put back as " + name});
  }

  void name_lost_tags() {
    for (const CheckpointTag& tag : list_tags(disk_, folder_)) {
      const std::string subject = "tags/" + tag.name;
      const std::string remedy = "take it off (lockstep ckpt tag --remove), or set it again";
      if (!tag.target)
        say_({subject, "its file is damaged, so nothing is pruned", remedy, false});
      else if (!directory_of(disk_, folder_, tag))
        say_(
            {subject, "it names " + tag.target->directory + ", which is gone or another one", remedy, false});
    }
  }

  Disk& disk_;
  std::string folder_;
  RepairMode mode_;
  const std::function<void(const RepairLine&)>& say_;
  VerifiedLedger ledger_;
  Shelf shelf_;
  GoodByStep good_;
  std::set<Step> free_;  // steps whose name is, or would be, free again
};

}  // namespace

bool repair_checkpoints(Disk& disk, const std::string& folder, RepairMode mode,
                        const std::function<void(const RepairLine&)>& say) {
  return Repair(disk, folder, mode, say).run();
}

}  // namespace lockstep
