// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "checkpoint/index.h"
#include "shelf/newest_whole.h"
#include "shelf/pointer.h"
#include "shelf/sharded_save.h"
#include "support/faulty_disk.h"

namespace lockstep {
namespace {

// What an evaluation finds after the save of its step.
class LateEvaluation : public ::testing::Test {
 protected:
  LateEvaluation() {
    options_.keep_best = {"valid_loss", BestMode::kMin, 1};
    owned_.state.record.best = {{"value", 0.5}, {"step", 1}};
    evaluated_ = owned_.state.record;
    evaluated_.metrics = {{"valid_loss", 0.25}};
    evaluated_.best = {{"value", 0.25}, {"step", 2}};
  }
  CheckpointStore store(Disk& disk = real_disk()) { return {dir_, options_, disk, log_.sink()}; }
  std::unique_ptr<CheckpointReader> open(int step = 2) {
    return CheckpointReader::open(real_disk(), fmt::format("{}/step-{:08}", dir_, step));
  }
  std::string pointer(const char* name) {
    const auto found = read_pointer(real_disk(), dir_ + "/" + name);
    return found ? found->directory : "";
  }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  CheckpointOptions options_;
  OwnedState owned_ = splittable_state(2);
  TrainRecord evaluated_;
  EventLog log_;
};

TEST_F(LateEvaluation, StandsInTheManifestOfTheSameState) {
  auto store = this->store();
  store.prepare(0);
  const Digest hash = store.save(owned_.state, false).state_hash;
  EXPECT_EQ(pointer("best"), "");
  const SaveReport report = store.add_evaluation(evaluated_, true);
  EXPECT_EQ(report.state_hash, hash);
  const auto reader = open();
  reader->verify();
  EXPECT_EQ(reader->record().metrics, evaluated_.metrics);
  EXPECT_EQ(reader->record().best, evaluated_.best);
  EXPECT_EQ(reader->state_hash(), hash);
  expect_reads_back(*reader, owned_);
  const CheckpointPointer here{"step-00000002", reader->manifest().digest};
  EXPECT_EQ(read_pointer(real_disk(), dir_ + "/best"), here);
  EXPECT_EQ(read_pointer(real_disk(), dir_ + "/latest"), here);
}

TEST_F(LateEvaluation, LeavesAnIndexThatCanBeMadeAnew) {
  auto store = this->store();
  store.prepare(0);
  save_sharded(store, owned_.state, 4);
  store.add_evaluation(evaluated_, true);
  store.add_evaluation(evaluated_, true);
  const std::string index = dir_ + "/step-00000002/index.h5";
  const std::string good = slurp(index);
  fs::remove(index);
  rebuild_index(real_disk(), dir_ + "/step-00000002");
  EXPECT_EQ(slurp(index), good);
  open()->verify();
}

TEST_F(LateEvaluation, WhicheverOperationFailsTheCheckpointIsWhole) {
  std::int64_t failed = 0;
  for (std::int64_t k = 1;; ++k) {
    fs::remove_all(dir_);
    FaultyDisk disk(real_disk());
    auto store = this->store(disk);
    store.prepare(0);
    save_sharded(store, owned_.state, 2);
    disk.arm({.fail_at = k, .for_ever = true});
    const ExitCode code = code_of([&] { store.add_evaluation(evaluated_, true); });
    if (disk.injections() == 0) break;
    // Retention makes do with what it can read.
    failed += code == ExitCode::kDone ? 0 : 1;
    const auto reader = open();
    reader->verify();
    // The next life finds it, and does what was left to do.
    auto next = this->store();
    EXPECT_EQ(newest_whole(next)->record().step, Step(2)) << "operation " << k;
    next.add_evaluation(evaluated_, true);
    EXPECT_EQ(open()->record().metrics, evaluated_.metrics);
    EXPECT_EQ(pointer("best"), "step-00000002");
  }
  EXPECT_GE(failed, 5);
}

TEST_F(LateEvaluation, AKillBeforeThePointerIsMendedAtTheNextStart) {
  auto store = this->store();
  store.prepare(0);
  OwnedState first = splittable_state(1);
  first.state.record.metrics = {{"valid_loss", 0.5}};
  first.state.record.best = {{"value", 0.5}, {"step", 1}};
  store.save(first.state, true);
  owned_.state.record = evaluated_;
  owned_.state.record.config = {{"checkpoint.keep_best.metric", "valid_loss"},
                                {"checkpoint.keep_best.mode", "min"}};
  store.save(owned_.state, false);
  EXPECT_EQ(pointer("best"), "step-00000001");
  EXPECT_EQ(store.settle_best(owned_.state.record), evaluated_.best);
  EXPECT_EQ(pointer("best"), "step-00000002");
}

TEST_F(LateEvaluation, AnotherRuleLooksAtWhatIsThere) {
  options_.keep_best.mode = BestMode::kMax;
  options_.keep_last = 5;
  auto store = this->store();
  store.prepare(0);
  for (int step = 1; step <= 3; ++step) {
    OwnedState owned = splittable_state(step);
    owned.state.record.metrics = {{"valid_loss", step == 2 ? 0.9 : 0.5}};
    store.save(owned.state, false);
  }
  evaluated_.config = {{"checkpoint.keep_best.metric", "valid_loss"}, {"checkpoint.keep_best.mode", "min"}};
  const std::map<std::string, double> best{{"value", 0.9}, {"step", 2}};
  EXPECT_EQ(store.settle_best(evaluated_), best);
  EXPECT_EQ(pointer("best"), "step-00000002");
}

}  // namespace
}  // namespace lockstep
