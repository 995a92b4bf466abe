// SPDX-License-Identifier: Apache-2.0
#include "shelf/prune.h"

#include "checkpoint/catalog.h"
#include "shelf/fixture.h"
#include "shelf/newest_whole.h"
#include "shelf/tags.h"
#include "shelf/verified_ledger.h"
#include "support/faulty_disk.h"

namespace lockstep {
namespace {

class Prune : public ::testing::Test {
 protected:
  static CheckpointOptions keep(std::int64_t last) {
    CheckpointOptions options;
    options.keep_last = last;
    return options;
  }
  CheckpointStore store(Disk& disk, std::int64_t last) { return {dir_, keep(last), disk, log_.sink()}; }
  void save(std::int64_t step, std::int64_t last = 9) {
    store(real_disk(), last).save(OwnedState(step, 1, 4).state, false);
  }
  void tag(std::int64_t step, const std::string& name) {
    const std::string directory = step_directory(Step{step});
    write_tag(real_disk(), dir_, name, {directory, *manifest_in(real_disk(), dir_ + "/" + directory)});
  }
  void spoil(std::int64_t step) {
    const std::string path = dir_ + "/" + step_directory(Step{step}) + "/checkpoint.h5";
    std::string bytes = slurp(path);
    bytes.back() ^= 4;
    spill(path, bytes);
  }
  std::vector<std::int64_t> steps() {
    std::vector<std::int64_t> out;
    for (const CatalogEntry& entry : list_catalog(real_disk(), dir_))
      if (entry.kind == EntryKind::kCheckpoint) out.push_back(entry.step.value);
    return out;
  }
  void prune(std::int64_t last) {
    carry_out(real_disk(), dir_, plan_prune(real_disk(), dir_, keep(last)),
              [this](const PrunePlan::Item& item) { removed_.push_back(item.directory); });
  }
  using Steps = std::vector<std::int64_t>;

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  EventLog log_;
  std::vector<std::string> removed_;
};

TEST_F(Prune, NeverTouchesATaggedCheckpoint) {
  save(1);
  tag(1, "paper-v1");
  for (const std::int64_t step : {2, 3, 4}) save(step, 1);
  EXPECT_EQ(steps(), (Steps{1, 4}));
  remove_tag(real_disk(), dir_, "paper-v1");
  save(5, 1);
  EXPECT_EQ(steps(), (Steps{5}));
}

TEST_F(Prune, LosesATaggedCheckpointWithoutTheGuard) {
  save(1);
  tag(1, "paper-v1");
  const ArmedPlan no_guard("nan@point=guard.skip_tags");
  save(2, 1);
  EXPECT_EQ(steps(), (Steps{2}));
}

TEST_F(Prune, StopsWhereATagCannotBeRead) {
  save(1);
  tag(1, "paper-v1");
  spill(dir_ + "/tags/paper-v1", "step-00000001 ?");
  save(2, 1);
  EXPECT_EQ(steps(), (Steps{1, 2}));
  EXPECT_EQ(log_.count("prune_skipped"), 1u);
  EXPECT_NE(log_.last("prune_skipped").at("reason").find("paper-v1"), std::string::npos);
  EXPECT_EQ(code_of([&] { prune(1); }), ExitCode::kNoValidCheckpoint);
  EXPECT_EQ(steps(), (Steps{1, 2}));
}

TEST_F(Prune, ATagFollowsItsCheckpointAndNoOtherOfTheStep) {
  for (const std::int64_t step : {1, 2}) save(step);
  tag(2, "mine");
  store(real_disk(), 9).leave_newer_than(Step{1}, Attempt{2});
  const CheckpointTag mine = list_tags(real_disk(), dir_).at(0);
  EXPECT_EQ(directory_of(real_disk(), dir_, mine), "step-00000002.left-2");
  store(real_disk(), 9).save(OwnedState(2, 7, 4).state, false);
  EXPECT_EQ(directory_of(real_disk(), dir_, mine), "step-00000002.left-2");
  save(3, 1);
  EXPECT_EQ(steps(), (Steps{3})) << "the new step 2 is not the tagged one";
  EXPECT_TRUE(fs::exists(dir_ + "/step-00000002.left-2"));
}

TEST_F(Prune, NamesOfTagsAreNeverPaths) {
  for (const char* name : {"paper-v1", "a", "v1.0_final", "-x"}) EXPECT_TRUE(is_tag_name(name)) << name;
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".hidden"), std::string("a/b"), std::string("../x"),
        std::string("x.part"), std::string("a b"), std::string("\xc3\xa4"), std::string(65, 'a'),
        std::string("a\n"), std::string("a\0b", 3)})
    EXPECT_FALSE(is_tag_name(name)) << name;
}

TEST_F(Prune, AWriteOfATagThatFailsLeavesTheOldOne) {
  for (const std::int64_t step : {1, 2}) save(step);
  tag(1, "mine");
  std::int64_t injected = 0;
  for (std::int64_t k = 1; k < 50; ++k) {
    FaultyDisk disk(real_disk());
    disk.arm({.fail_at = k, .for_ever = true});
    const Digest second = *manifest_in(real_disk(), dir_ + "/step-00000002");
    const ExitCode code = code_of([&] { write_tag(disk, dir_, "mine", {"step-00000002", second}); });
    injected += disk.injections();
    const auto tags = list_tags(real_disk(), dir_);
    ASSERT_EQ(tags.size(), 1u);
    ASSERT_TRUE(tags[0].target) << k;
    if (disk.injections() == 0) {
      EXPECT_EQ(code, ExitCode::kDone);
      EXPECT_EQ(tags[0].target->directory, "step-00000002");
      break;
    }
    EXPECT_EQ(code, ExitCode::kStorage) << k;
  }
  EXPECT_GT(injected, 6);
}

TEST_F(Prune, PlansWithoutTouching) {
  for (const std::int64_t step : {1, 2, 3}) save(step);
  const PrunePlan plan = plan_prune(real_disk(), dir_, keep(1));
  ASSERT_EQ(plan.removed.size(), 2u);
  EXPECT_EQ(plan.removed[0].directory, "step-00000001");
  EXPECT_EQ(plan.removed[0].bytes, fs::file_size(dir_ + "/step-00000001/checkpoint.h5") +
                                       fs::file_size(dir_ + "/step-00000001/manifest.json"));
  EXPECT_EQ(plan.kept.at(0).directory, "step-00000003");
  EXPECT_EQ(steps(), (Steps{1, 2, 3}));
}

TEST_F(Prune, RemovesNothingWhenTheNewestKeptDoesNotVerify) {
  for (const std::int64_t step : {1, 2, 3}) save(step);
  spoil(3);
  EXPECT_EQ(code_of([&] { prune(1); }), ExitCode::kNoValidCheckpoint);
  EXPECT_EQ(steps(), (Steps{1, 2, 3}));
  EXPECT_TRUE(removed_.empty());
  // The guard is what keeps the last good ones.
  const ArmedPlan no_guard("nan@point=guard.skip_prune_verify");
  prune(1);
  EXPECT_EQ(steps(), (Steps{3}));
}

TEST_F(Prune, NotesTheCheckpointItVerified) {
  for (const std::int64_t step : {1, 2}) save(step);
  prune(1);
  EXPECT_EQ(removed_, (std::vector<std::string>{"step-00000001"}));
  const auto reader = CheckpointReader::open(real_disk(), dir_ + "/step-00000002");
  EXPECT_EQ(VerifiedLedger(real_disk(), dir_).of(*reader), Soundness::kGood);
}

TEST_F(Prune, LeavesEachCheckpointWholeOrGoneWhicheverOperationFails) {
  std::int64_t injected = 0;
  for (std::int64_t k = 1; k < 200; ++k) {
    fs::remove_all(dir_);
    for (const std::int64_t step : {1, 2, 3}) save(step);
    FaultyDisk disk(real_disk());
    disk.arm({.fail_at = k, .for_ever = true});
    code_of([&] { carry_out(disk, dir_, plan_prune(disk, dir_, keep(1)), [](const auto&) {}); });
    injected += disk.injections() > 0 ? 1 : 0;
    for (const std::int64_t step : steps())
      EXPECT_EQ(code_of([&] {
                  CheckpointReader::open(real_disk(), dir_ + "/" + step_directory(Step{step}))->verify();
                }),
                ExitCode::kDone)
          << k;
    EXPECT_EQ(steps().back(), 3);
    if (disk.injections() == 0) break;
  }
  EXPECT_GT(injected, 20);
}

// A newer one that was refused and could not be moved must not be what keep_last counts.
TEST_F(Prune, KeepsTheNewestGoodOneBesideABadNewerOne) {
  for (const std::int64_t step : {1, 9}) save(step);
  spoil(9);
  FaultyDisk disk(real_disk());
  disk.arm({.fail_at = 1, .for_ever = true, .error = EPERM, .only = "rename"});
  auto immovable = store(disk, 1);
  EXPECT_EQ(newest_whole(immovable)->record().step, Step{1});
  EXPECT_GE(disk.injections(), 1);
  disk.arm({});
  immovable.save(OwnedState(2, 1, 4).state, false);
  EXPECT_EQ(steps(), (Steps{2, 9}));
}

// keep_last 1: the power cut finds either the old one or the new one, never neither.
TEST_F(Prune, OfASavePrunesOnlyOnceTheNewOneIsDurable) {
  fs::create_directory(scratch_ / "graveyard");
  const auto survives = [&] {
    for (std::int64_t k = 1; k <= 500; ++k) {
      fs::remove_all(dir_);
      save(1);
      FaultyDisk disk(real_disk(), scratch_ / "graveyard");
      disk.arm({.fail_at = k, .for_ever = true});
      code_of([&] { store(disk, 1).save(OwnedState(2, 1, 4).state, false); });
      const bool last = disk.injections() == 0;
      disk.power_cut(PowerCut::kLoseDirectoryChanges);
      try {
        if (!newest_whole(store(real_disk(), 1))) return false;
      } catch (const Fault&) {
        return false;
      }
      if (last) return k > 20;
    }
    return false;
  };
  EXPECT_TRUE(survives());
}

}  // namespace
}  // namespace lockstep
