// SPDX-License-Identifier: Apache-2.0
#include "shelf/store.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkpoint/catalog.h"
#include "checkpoint/commit.h"
#include "checkpoint/digest.h"
#include "checkpoint/file_plan.h"
#include "checkpoint/reader.h"
#include "lockstep/base/clock.h"
#include "lockstep/base/fault_point.h"
#include "shelf/generation.h"
#include "shelf/pointer.h"
#include "shelf/prune.h"
#include "shelf/refusals.h"
#include "shelf/retention.h"
#include "shelf/shelf.h"
#include "shelf/usable_folder.h"
#include "shelf/verified_ledger.h"
#include "shelf/weights_file.h"

namespace lockstep {
namespace {

// What a commit of this state would have in its manifest.
Digest hash_of(const PlannedState& state) {
  std::map<std::string, Digest> digests;
  for (const StateTensor& tensor : state.tensors)
    digests[tensor.key.path()] = tensor_digest(tensor, tensor.bytes);
  return state_hash(state.record->step, digests);
}

}  // namespace

struct CheckpointStore::Impl {
  Impl(Disk& disk, std::string directory, CheckpointOptions how, CheckpointEvent tell)
      : options(std::move(how)),
        event(std::move(tell)),
        generation(disk, directory),
        ledger(disk, directory, generation),
        shelf(disk, std::move(directory), ledger),
        refusals(shelf, ledger, generation, event) {}

  CheckpointOptions options;
  CheckpointEvent event;
  Generation generation;
  VerifiedLedger ledger;
  Shelf shelf;
  Refusals refusals;
  // Committed or verified by this store: needs no second look.
  std::map<Step, Digest> trusted;
  LayoutCache layouts;

  Disk& disk() const { return shelf.disk(); }
  std::string path(const std::string& name) const { return shelf.path(name); }
  const std::string& metric() const { return options.keep_best.metric; }
  void trust(const CheckpointReader& reader) { trusted[reader.record().step] = reader.state_hash(); }

  StagedCheckpoint staged(Step step) {
    const std::string name = step_directory(step);
    return {disk(),
            {shelf.folder(), name, generation.making(name)},
            FileWriting{static_cast<int>(options.writers), options.verify_after_save, &layouts}};
  }

  void judge_latest();
  void make_folder_again();
  std::unique_ptr<CheckpointReader> open_trusted(Step step);
  std::optional<Digest> already_there(const PlannedState& state);
  SaveReport commit(const PlannedState& state, std::span<const WrittenFile> shards, bool is_best);
  void note_read_back(const std::string& name);
  SaveReport add_evaluation(const TrainRecord& record, bool is_best);
  std::vector<std::string> point_and_prune(const CheckpointPointer& newest, bool is_best);
  std::vector<std::string> prune();
  void repoint(const std::string& pointer, const std::optional<std::string>& name);
  std::vector<std::string> weights_candidates();
};

void CheckpointStore::Impl::judge_latest() {
  const std::string reason = why_no_pointer(disk(), shelf.folder(), "latest");
  const auto pointer = read_pointer(disk(), path("latest"));
  const bool is_news = !pointer || !refusals.refused(pointer->directory);
  if (is_news && !reason.empty()) event("pointer_ignored", {{"pointer", "latest"}, {"reason", reason}});
}

// Somebody may have removed it while the run was going on.
void CheckpointStore::Impl::make_folder_again() {
  if (disk().info(shelf.folder()) || fault_requested("guard.skip_remake")) return;
  make_durable_folder(disk(), shelf.folder());
  generation.make_again();
}

// What this store has committed or verified itself needs no second look at its bytes.
std::unique_ptr<CheckpointReader> CheckpointStore::Impl::open_trusted(Step step) {
  if (!trusted.contains(step)) return nullptr;
  try {
    return CheckpointReader::open(disk(), path(step_directory(step)));
  } catch (const Fault&) {
    // Spoiled since then: the full look will say how.
    return nullptr;
  }
}

// A checkpoint of this step that is there already: one of the same state is a success, another state is never
// overwritten.
std::optional<Digest> CheckpointStore::Impl::already_there(const PlannedState& state) {
  const Step step = state.record->step;
  const std::string name = step_directory(step);
  if (!disk().info(path(name))) return std::nullopt;
  const Digest hash = hash_of(state);
  std::string reason;
  auto reader = open_trusted(step);
  if (!reader) reader = refusals.open(name, Scrutiny::kEveryByte, reason);
  if (!reader && disk().info(path(name)))
    throw Fault(ExitCode::kRunDirectory,
                fmt::format("{}: a damaged checkpoint of step {} is in the way, and it cannot be moved",
                            path(name), step.value),
                "Move it yourself, or take another run.dir");
  if (!reader) return std::nullopt;
  trust(*reader);
  if (reader->state_hash() != hash)
    throw Fault(
        ExitCode::kRunDirectory,
        fmt::format("{}: a checkpoint of step {} with another state is there (state hash {}, now {})",
                    path(name), step.value, reader->state_hash().hex(), hash.hex()),
        "A commit never overwrites. Resume from it, or from an older one (the newer ones are then set "
        "aside)");
  // The life that made it may have died before it was durable.
  disk().sync_directory(shelf.folder());
  return reader->manifest().digest;
}

// What each writer has read back already is noted for people; the commit stands whether or not it can be.
void CheckpointStore::Impl::note_read_back(const std::string& name) try {
  if (options.verify_after_save) ledger.note(*CheckpointReader::open(disk(), path(name)), Soundness::kGood);
} catch (const Fault&) {
  // The next full look will say what has become of it.
}

// The end of every save, in an order that a kill between any two leaves nothing wrong.
std::vector<std::string> CheckpointStore::Impl::point_and_prune(const CheckpointPointer& newest,
                                                                bool is_best) {
  write_pointer(disk(), generation, path("latest"), newest);
  fault_point("ckpt.after_latest");
  if (is_best) write_pointer(disk(), generation, path("best"), newest);
  return prune();
}

std::vector<std::string> CheckpointStore::Impl::prune() {
  fault_point("ckpt.before_prune");
  std::vector<std::string> pruned, unreadable;
  std::vector<RetentionEntry> all = shelf.usable(metric(), unreadable);
  if (!unreadable.empty()) {
    event("prune_skipped",
          {{"reason", fmt::format("what these tags keep cannot be read: {}", fmt::join(unreadable, ", "))}});
    return pruned;
  }
  for (RetentionEntry& entry : all)
    entry.pinned = entry.pinned || (!trusted.empty() && entry.step == trusted.rbegin()->first);
  for (const Step step : steps_to_prune(all, options, shelf.best())) {
    const std::string name = step_directory(step);
    remove_checkpoint(disk(), generation, path(name));
    shelf.forget(step);
    trusted.erase(step);
    pruned.push_back(name);
  }
  return pruned;
}

// Points `pointer` at `name`, or removes it when there is nothing to point at.
void CheckpointStore::Impl::repoint(const std::string& pointer, const std::optional<std::string>& name) {
  if (name) {
    write_pointer(disk(), generation, path(pointer),
                  {*name, CheckpointReader::open(disk(), path(*name))->manifest().digest});
  } else {
    remove_pointer(disk(), generation, path(pointer));
  }
}

// Names in the order write_weights_file() tries them: the best, the next best, then from the newest down.
std::vector<std::string> CheckpointStore::Impl::weights_candidates() {
  const std::vector<Step> steps = best_first(shelf.usable(metric()), options.keep_best, shelf.best());
  std::vector<std::string> names;
  for (const Step step : steps)
    if (disk().info(path(step_directory(step))) &&
        std::find(names.begin(), names.end(), step_directory(step)) == names.end())
      names.push_back(step_directory(step));
  return names;
}

CheckpointStore::CheckpointStore(std::string directory, CheckpointOptions options, Disk& disk,
                                 CheckpointEvent event)
    : impl_(new Impl(disk, std::move(directory), std::move(options), std::move(event))) {}

CheckpointStore::~CheckpointStore() = default;

void CheckpointStore::prepare(std::uint64_t bytes_needed) {
  require_usable_folder(impl_->disk(), impl_->shelf.folder(), bytes_needed);
}

std::string CheckpointStore::begin_generation(Attempt attempt) {
  return impl_->generation.begin(attempt);
}

void CheckpointStore::enter_generation(const std::string& name) {
  impl_->generation.enter(name);
}

SaveReport CheckpointStore::save(const CheckpointState& state, bool is_best) {
  const auto start = real_clock().monotonic();
  const PlannedState planned = plan_state(state);
  SaveReport report;
  if (const auto manifest = begin_save(planned)) {
    report = repeat_save(planned, *manifest, is_best);
  } else {
    try {
      const WrittenFile shard = write_shard(planned, 0);
      report = commit_save(planned, {&shard, 1}, is_best);
    } catch (...) {
      abandon_save(state.record.step);
      throw;
    }
  }
  for (const std::string& name : report.pruned) impl_->event("checkpoint_pruned", {{"directory", name}});
  report.seconds = std::chrono::duration<double>(real_clock().monotonic() - start).count();
  return report;
}

bool CheckpointStore::is_there(Step step) const {
  return impl_->disk().info(impl_->path(step_directory(step))).has_value();
}

std::optional<Digest> CheckpointStore::begin_save(const PlannedState& state) {
  fault_point("ckpt.begin");
  return impl_->generation.fenced([&]() -> std::optional<Digest> {
    impl_->make_folder_again();
    if (const auto there = impl_->already_there(state)) return there;
    impl_->staged(state.record->step).begin();
    return std::nullopt;
  });
}

WrittenFile CheckpointStore::write_shard(const PlannedState& state, std::size_t shard,
                                         std::span<const std::vector<Digest>> leaves) {
  fault_point("ckpt.before_shard");
  return impl_->generation.fenced(
      [&] { return impl_->staged(state.record->step).write(state, shard, leaves); });
}

SaveReport CheckpointStore::commit_save(const PlannedState& state, std::span<const WrittenFile> shards,
                                        bool is_best) {
  return impl_->generation.fenced([&] { return impl_->commit(state, shards, is_best); });
}

SaveReport CheckpointStore::Impl::commit(const PlannedState& state, std::span<const WrittenFile> shards,
                                         bool is_best) {
  const Step step = state.record->step;
  const Committed committed = staged(step).commit(state, shards);
  shelf.know(*state.record);
  trusted[step] = committed.state_hash;
  note_read_back(committed.directory);
  SaveReport report{committed.directory, committed.state_hash, committed.bytes, 0, true, {}};
  report.pruned = point_and_prune({committed.directory, committed.manifest}, is_best);
  return report;
}

void CheckpointStore::abandon_save(Step step) noexcept {
  impl_->staged(step).abandon();
}

SaveReport CheckpointStore::repeat_save(const PlannedState& state, const Digest& manifest, bool is_best) {
  const Step step = state.record->step;
  SaveReport report{step_directory(step), impl_->trusted.at(step), 0, 0, false, {}};
  report.pruned = impl_->generation.fenced([&] {
    return impl_->point_and_prune({report.directory, manifest}, is_best);
  });
  return report;
}

std::unique_ptr<CheckpointReader> CheckpointStore::open_newest() {
  Shelf& shelf = impl_->shelf;
  auto checkpoints = shelf.entries(EntryKind::kCheckpoint);
  if (fault_requested("guard.trust_pointer"))
    std::erase_if(checkpoints, [latest = read_pointer(shelf.disk(), shelf.path("latest"))](
                                   const auto& entry) { return !latest || entry.name != latest->directory; });
  // The folder decides, not the pointer: a life that ended between commit and pointer leaves a stale one.
  impl_->judge_latest();
  std::vector<std::string> reasons;
  for (auto entry = checkpoints.rbegin(); entry != checkpoints.rend(); ++entry) {
    std::string reason = entry->name + " is refused";
    if (!shelf.disregards(entry->step))
      if (auto reader = impl_->refusals.open(entry->name, Scrutiny::kManifestAndLengths, reason))
        return reader;
    reasons.push_back(reason);
  }
  // Those set aside in an earlier life count as well: a second start must not become a fresh one.
  for (const EntryKind kind : {EntryKind::kBad, EntryKind::kLeft})
    for (const CatalogEntry& entry : shelf.entries(kind)) reasons.push_back(entry.name + " is set aside");
  if (reasons.empty() || fault_requested("guard.skip_no_fresh_start")) return nullptr;
  throw Fault(
      ExitCode::kNoValidCheckpoint,
      fmt::format("{}: there were checkpoints, and none of them is valid: {}", shelf.folder(),
                  fmt::join(reasons, "; ")),
      "Bring one back from a copy, name one with resume.mode=PATH, or start a new run in another run.dir");
}

void CheckpointStore::accept(const CheckpointReader& restored) {
  impl_->ledger.note(restored, Soundness::kGood);
  impl_->trust(restored);
}

void CheckpointStore::refuse(const CheckpointReader& damaged, const Fault& why) {
  impl_->refusals.refuse(step_directory(damaged.record().step), &damaged, why);
}

void CheckpointStore::leave_newer_than(Step step, Attempt attempt) {
  Shelf& shelf = impl_->shelf;
  std::optional<std::string> newest;
  bool moved = false;
  for (const CatalogEntry& entry : shelf.entries(EntryKind::kCheckpoint)) {
    if (entry.step <= step) {
      newest = entry.name;
      continue;
    }
    impl_->generation.require();
    const std::string left =
        free_name(shelf.disk(), shelf.folder(), fmt::format("{}.left-{}", entry.name, attempt.value));
    shelf.disk().rename(shelf.path(entry.name), shelf.path(left));
    shelf.forget(entry.step);
    impl_->trusted.erase(entry.step);
    impl_->event("checkpoint_left", {{"directory", entry.name}, {"moved_to", left}});
    moved = true;
  }
  if (!moved) return;
  shelf.disk().sync_directory(shelf.folder());
  impl_->repoint("latest", newest);
  const auto best = shelf.best();
  if (!best || *best <= step) return;
  // The best may have been among those left; the run goes on with the best that remains.
  const auto others = best_steps(shelf.usable(impl_->metric()), impl_->options.keep_best);
  impl_->repoint("best", others.empty() ? std::nullopt : std::optional(step_directory(others.front())));
}

void CheckpointStore::write_weights_file(const std::string& path) {
  impl_->generation.require();
  std::vector<std::string> refused;
  for (const std::string& name : impl_->weights_candidates()) {
    std::string reason;
    if (const auto reader = impl_->refusals.open(name, Scrutiny::kEveryByte, reason))
      return write_weights(impl_->disk(), *reader, path);
    refused.push_back(reason);
  }
  throw Fault(ExitCode::kNoValidCheckpoint,
              fmt::format("{}: no valid checkpoint to take the weights from: {}", impl_->shelf.folder(),
                          refused.empty() ? "there is none" : fmt::format("{}", fmt::join(refused, "; "))));
}

SaveReport CheckpointStore::add_evaluation(const TrainRecord& record, bool is_best) {
  return impl_->generation.fenced([&] { return impl_->add_evaluation(record, is_best); });
}

SaveReport CheckpointStore::Impl::add_evaluation(const TrainRecord& record, bool is_best) {
  const std::string name = step_directory(record.step);
  Manifest manifest = CheckpointReader::open(disk(), path(name))->manifest();
  // Nothing is added to what an older Lockstep wrote: its format has no place for it.
  const bool has_place = manifest.format >= 3;
  if (has_place && (manifest.record.metrics != record.metrics || manifest.record.best != record.best)) {
    // What the files of the checkpoint say of it stays known: index.h5 is made from the manifest.
    note_as_saved(manifest.record);
    manifest.record.metrics = record.metrics;
    manifest.record.best = record.best;
    const std::string text = write_manifest(manifest);
    generation.replace(path(name) + "/" + kManifestFile, text);
    manifest.digest = *manifest_digest(text);
    note_read_back(name);
  }
  shelf.know(record);
  SaveReport report{name, manifest.state_hash, 0, 0, false, {}};
  report.pruned = point_and_prune({name, manifest.digest}, is_best);
  return report;
}

std::map<std::string, double> CheckpointStore::settle_best(const TrainRecord& record) {
  const KeepBest& keep = impl_->options.keep_best;
  if (keep.count == 0) return record.best;
  const auto had = [&](const char* key) {
    const auto found = record.config.find(std::string("checkpoint.keep_best.") + key);
    return found == record.config.end() ? "" : found->second;
  };
  std::map<std::string, double> best = record.best;
  const bool same_rule =
      had("metric") == keep.metric && had("mode") == word_of(keep.mode) && had("count") != "0";
  const std::vector<RetentionEntry> all = impl_->shelf.usable(impl_->metric());
  if (!same_rule) {
    best.clear();
    for (const Step step : best_steps(all, keep)) {
      for (const RetentionEntry& entry : all)
        if (best.empty() && entry.step == step)
          best = {{"value", *entry.metric}, {"step", static_cast<double>(step.value)}};
    }
  }
  const auto at = best.find("step");
  if (at == best.end()) return best;
  const Step step(static_cast<std::int64_t>(at->second));
  const auto is_there = [&](const RetentionEntry& entry) { return entry.step == step; };
  if (std::ranges::any_of(all, is_there)) impl_->repoint("best", step_directory(step));
  return best;
}

}  // namespace lockstep
