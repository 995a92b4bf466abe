// SPDX-License-Identifier: Apache-2.0
#include <functional>
#include <set>

#include "shelf/newest_whole.h"
#include "shelf/sharded_save.h"
#include "support/faulty_disk.h"

namespace lockstep {
namespace {

// Breaks a save in every way a disk can, and looks what is left with a healthy one.
class Commit : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directory(scratch_ / "graveyard"); }

  CheckpointOptions options() const {
    CheckpointOptions options;
    options.keep_last = 2;
    options.verify_after_save = verify_after_save_;
    return options;
  }
  CheckpointStore store(Disk& disk) { return {dir_, options(), disk, log_.sink()}; }
  // The save that is broken.
  virtual void save(CheckpointStore& store, const CheckpointState& state) { store.save(state, true); }
  // Two checkpoints, so that the third save prunes.
  void start_over() {
    fs::remove_all(dir_);
    for (const std::int64_t step : {1, 2}) store(real_disk()).save(OwnedState(step, 1, 4).state, false);
    log_.events.clear();
  }
  Step newest() { return newest_whole(store(real_disk()))->record().step; }
  bool any_staging() {
    for (const std::string& name : real_disk().list(dir_))
      if (name.starts_with(".staging") || name.starts_with(".trash")) return true;
    return false;
  }

  // Fails every operation of the third save in turn until one goes through; returns how many faults were
  // injected.
  std::int64_t fail_each(const std::function<DiskFaultPlan(std::int64_t)>& plan) {
    std::int64_t injected = 0;
    const OwnedState third(3, 1, 4);
    for (std::int64_t k = 1;; ++k) {
      SCOPED_TRACE(k);
      start_over();
      FaultyDisk disk(real_disk());
      auto broken = store(disk);
      disk.arm(plan(k));
      std::string message;
      const ExitCode code = code_of([&] { save(broken, third.state); }, &message);
      const std::int64_t now = disk.injections();
      injected += now;
      for (const std::string& path : disk.failed_on())
        failed_syncs_.insert(path.substr(std::min(path.size(), dir_.size() + 1)));
      disk.arm({});
      if (now == 0) {
        EXPECT_EQ(code, ExitCode::kDone);
        EXPECT_EQ(newest(), Step{3});
        return injected;
      }
      if (code == ExitCode::kDone) {
        EXPECT_EQ(newest(), Step{3});
      } else {
        EXPECT_EQ(code, ExitCode::kStorage) << message;
        EXPECT_GE(newest(), Step{2});
      }
      EXPECT_EQ(log_.count("checkpoint_refused"), 0u);
      store(real_disk()).prepare(0);
      EXPECT_FALSE(any_staging());
      // The same save goes through once the disk is well, with files of its own.
      EXPECT_EQ(code_of([&] { save(broken, third.state); }, &message), ExitCode::kDone) << message;
      EXPECT_EQ(disk.asked_after_failed_sync(), std::vector<std::string>{});
      EXPECT_EQ(newest(), Step{3});
      if (k > 500 || HasFailure()) {
        ADD_FAILURE() << "a save of " << k << " operations";
        return injected;
      }
    }
  }

  // fail_each() with what syncs; returns the names, below the folder, of all whose sync failed. Each of these
  // is then left alone, whatever is saved again.
  std::set<std::string> fail_each_sync(const std::string& only) {
    failed_syncs_.clear();
    fail_each([&](std::int64_t k) { return DiskFaultPlan{.fail_at = k, .only = only}; });
    return failed_syncs_;
  }

  // Cuts the power after k operations of the third save, for every k; true when every time a whole checkpoint
  // was left, and after a save that said it was done the new one.
  bool survives_power_cuts(PowerCut what) {
    bool survived = true;
    for (std::int64_t k = 1; k <= 500; ++k) {
      start_over();
      FaultyDisk disk(real_disk(), scratch_ / "graveyard");
      disk.arm({.fail_at = k, .for_ever = true});
      bool done = false;
      try {
        auto cut_off = store(disk);
        save(cut_off, OwnedState(3, 1, 4).state);
        done = true;
      } catch (const Fault&) {
      }
      cuts_ += disk.injections() > 0 ? 1 : 0;
      const bool last = disk.injections() == 0;
      disk.power_cut(what);
      try {
        const auto reader = newest_whole(store(real_disk()));
        survived = survived && reader && reader->record().step >= Step{done ? 3 : 2} &&
                   log_.count("checkpoint_refused") == 0;
      } catch (const Fault&) {
        survived = false;
      }
      if (last) return survived;
    }
    return false;
  }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  EventLog log_;
  int cuts_ = 0;
  std::set<std::string> failed_syncs_;
  bool verify_after_save_ = false;
};

TEST_F(Commit, LeavesThePreviousCheckpointWhicheverOperationFailsOnce) {
  EXPECT_GT(fail_each([](std::int64_t k) { return DiskFaultPlan{.fail_at = k}; }), 20);
}

TEST_F(Commit, LeavesThePreviousCheckpointWhenTheDiskDiesAtAnyOperation) {
  EXPECT_GT(fail_each([](std::int64_t k) { return DiskFaultPlan{.fail_at = k, .for_ever = true}; }), 20);
}

TEST_F(Commit, LeavesThePreviousCheckpointWhenTheDiskIsFullAtAnyWrite) {
  const auto plan = [](std::int64_t k) {
    return DiskFaultPlan{
        .fail_at = k, .for_ever = true, .error = ENOSPC, .short_write = true, .only = "write"};
  };
  EXPECT_GT(fail_each(plan), 2);
}

TEST_F(Commit, GivesUpAFileWhoseSyncFailed) {
  EXPECT_EQ(fail_each_sync("sync"),
            (std::set<std::string>{".staging-step-00000003/checkpoint.h5",
                                   ".staging-step-00000003/manifest.json", "latest.part", "best.part"}));
  EXPECT_EQ(fail_each_sync("sync_directory"), (std::set<std::string>{".staging-step-00000003", ""}));
  EXPECT_GE(fail_each([](std::int64_t k) { return DiskFaultPlan{.fail_at = k, .only = "close"}; }), 2);
  verify_after_save_ = true;
  EXPECT_TRUE(fail_each_sync("sync").contains("verified.part"));
}

// What the two above rest on: the disk of these tests sees every way to go on with such a file.
TEST_F(Commit, SeesWhatIsAskedOfAFileWhoseSyncFailed) {
  FaultyDisk disk(real_disk());
  const std::string path = scratch_ / "file";
  const auto file = disk.create(path);
  disk.arm({.fail_at = 1});
  EXPECT_THROW(file->sync(), Fault);
  EXPECT_EQ(disk.failed_on(), std::vector<std::string>{path});
  EXPECT_TRUE(disk.asked_after_failed_sync().empty());
  file->sync();
  file->write_at(0, std::as_bytes(std::span("x", 1)));
  file->truncate(0);
  disk.sync_file(path);
  disk.rename(path, path + "2");
  disk.append(path + "2", "y");
  EXPECT_EQ(disk.asked_after_failed_sync(),
            (std::vector<std::string>{"sync " + path, "write " + path, "truncate " + path,
                                      "sync_file " + path, "rename " + path, "append " + path + "2"}));
  disk.arm({.fail_at = 1});
  const std::string folder = scratch_ / "graveyard";
  EXPECT_THROW(disk.sync_directory(folder), Fault);
  disk.sync_directory(folder);
  EXPECT_EQ(disk.asked_after_failed_sync().back(), "sync_directory " + folder);
}

TEST_F(Commit, FreesItsRoomAtOnceWhenTheDiskIsFull) {
  start_over();
  FaultyDisk disk(real_disk());
  disk.arm({.fail_at = 2, .error = ENOSPC, .short_write = true, .only = "write"});
  std::string message;
  EXPECT_EQ(code_of([&] { store(disk).save(OwnedState(3, 1, 4).state, false); }, &message),
            ExitCode::kStorage);
  EXPECT_EQ(disk.injections(), 1);
  EXPECT_NE(message.find("space"), std::string::npos) << message;
  EXPECT_FALSE(any_staging());
}

TEST_F(Commit, SurvivesAPowerCutAfterAnyOperation) {
  EXPECT_TRUE(survives_power_cuts(PowerCut::kLoseDirectoryChanges));
  EXPECT_TRUE(survives_power_cuts(PowerCut::kKeepDirectoryChanges));
  EXPECT_GT(cuts_, 60);
}

TEST_F(Commit, KeepsTheFirstCheckpointOfANewRunInAPowerCut) {
  FaultyDisk disk(real_disk(), scratch_ / "graveyard");
  auto fresh = store(disk);
  fresh.prepare(0);
  fresh.save(OwnedState(1, 1, 4).state, true);
  disk.power_cut(PowerCut::kLoseDirectoryChanges);
  EXPECT_EQ(newest(), Step{1});
  EXPECT_TRUE(fs::exists(dir_ + "/latest"));
  EXPECT_TRUE(fs::exists(dir_ + "/best"));
}

// The guards are what makes the two claims above true: without them the same test sees the loss.
TEST_F(Commit, LosesTheCheckpointInAPowerCutWithoutTheDirectorySync) {
  const ArmedPlan no_guard("nan@point=guard.skip_directory_sync");
  EXPECT_FALSE(survives_power_cuts(PowerCut::kLoseDirectoryChanges));
}

TEST_F(Commit, LosesTheCheckpointInAPowerCutWithoutTheFileSync) {
  const ArmedPlan no_guard("nan@point=guard.skip_file_sync");
  EXPECT_FALSE(survives_power_cuts(PowerCut::kKeepDirectoryChanges));
}

TEST_F(Commit, FailsAtEachOfItsNamedPointsWithAWholeCheckpointLeft) {
  const OwnedState third(3, 1, 4);
  const std::map<std::string, std::int64_t> newest_after = {
      {"ckpt.begin", 2},         {"ckpt.after_shard", 2},  {"ckpt.after_manifest", 2},
      {"ckpt.before_rename", 2}, {"ckpt.after_rename", 3}, {"ckpt.after_latest", 3},
      {"ckpt.before_prune", 3},
  };
  for (const auto& [point, step] : newest_after) {
    SCOPED_TRACE(point);
    start_over();
    const std::string fired = scratch_ / point;
    {
      const ArmedPlan armed("throw@point=" + point + ",file=" + fired);
      EXPECT_EQ(code_of([&] { store(real_disk()).save(third.state, false); }), ExitCode::kStorage);
    }
    EXPECT_TRUE(fs::exists(fired));
    EXPECT_EQ(newest(), Step{step});
  }
}

// Three shards, the index over them and the manifest.
class ShardedCommit : public Commit {
 protected:
  void save(CheckpointStore& store, const CheckpointState& state) override { save_in_turn(store, state, 3); }
};

TEST_F(ShardedCommit, LeavesThePreviousCheckpointWhicheverOperationFailsOnce) {
  EXPECT_GT(fail_each([](std::int64_t k) { return DiskFaultPlan{.fail_at = k}; }), 40);
}

TEST_F(ShardedCommit, LeavesThePreviousCheckpointWhicheverErrorTheDiskDiesWith) {
  for (const int error : {EIO, ENOSPC, EDQUOT, EROFS, EFBIG, EMFILE}) {
    SCOPED_TRACE(error);
    EXPECT_GT(fail_each([&](std::int64_t k) {
                return DiskFaultPlan{.fail_at = k, .for_ever = true, .error = error};
              }),
              40);
  }
}

TEST_F(ShardedCommit, GivesUpAFileWhoseSyncFailed) {
  const std::string staging = ".staging-step-00000003/";
  EXPECT_EQ(fail_each_sync("sync"),
            (std::set<std::string>{staging + "shard-00000-of-00003.h5", staging + "shard-00001-of-00003.h5",
                                   staging + "shard-00002-of-00003.h5", staging + "index.h5",
                                   staging + "manifest.json", "latest.part", "best.part"}));
  EXPECT_EQ(fail_each_sync("sync_directory"), (std::set<std::string>{".staging-step-00000003", ""}));
}

// Of the shards, the last one included, the index and the manifest.
TEST_F(ShardedCommit, LeavesThePreviousCheckpointWhenTheDiskIsFullAtAnyWrite) {
  const auto plan = [](std::int64_t k) {
    return DiskFaultPlan{
        .fail_at = k, .for_ever = true, .error = ENOSPC, .short_write = true, .only = "write"};
  };
  EXPECT_GT(fail_each(plan), 4);
}

TEST_F(ShardedCommit, SurvivesAPowerCutAfterAnyOperation) {
  EXPECT_TRUE(survives_power_cuts(PowerCut::kLoseDirectoryChanges));
  EXPECT_TRUE(survives_power_cuts(PowerCut::kKeepDirectoryChanges));
  EXPECT_GT(cuts_, 80);
}

TEST_F(Commit, FindsALyingDiskBeforeItCountsWithVerifyAfterSave) {
  // F22. The last writes are those of `verified`, `latest` and `best`, which are hints.
  std::int64_t found = 0;
  std::int64_t missed = 0;
  const auto careful = [this](Disk& disk) {
    CheckpointOptions options = this->options();
    options.verify_after_save = true;
    return CheckpointStore(dir_, options, disk, log_.sink());
  };
  const OwnedState third(3, 1, 4);
  for (std::int64_t k = 1;; ++k) {
    SCOPED_TRACE(k);
    const DiskFaultPlan plan{.fail_at = k, .lies = true, .only = "write"};
    start_over();
    FaultyDisk disk(real_disk());
    disk.arm(plan);
    std::string message;
    const ExitCode code = code_of([&] { careful(disk).save(third.state, true); }, &message);
    if (disk.injections() == 0) {
      EXPECT_EQ(code, ExitCode::kDone) << message;
      break;
    }
    if (code != ExitCode::kDone) {
      ++found;
      EXPECT_EQ(code, ExitCode::kStorage);
      EXPECT_NE(message.find("reads back other than it was written"), std::string::npos) << message;
      EXPECT_FALSE(any_staging());
    }
    EXPECT_EQ(newest(), Step{code == ExitCode::kDone ? 3 : 2});
    EXPECT_EQ(log_.count("checkpoint_refused"), 0u);
    if (code == ExitCode::kDone) continue;
    // Without it the next start finds out.
    start_over();
    FaultyDisk trusted(real_disk());
    trusted.arm(plan);
    EXPECT_EQ(code_of([&] { store(trusted).save(third.state, true); }), ExitCode::kDone);
    EXPECT_EQ(trusted.injections(), 1);
    missed += newest() == Step{2} ? 1 : 0;
  }
  EXPECT_EQ(found, 2);  // checkpoint.h5 and manifest.json
  EXPECT_EQ(missed, found);
}

TEST_F(Commit, SavesWithoutODirect) {
  start_over();
  FaultyDisk disk(real_disk());
  disk.arm({.no_direct = true});
  store(disk).save(OwnedState(3, 1, 400).state, false);
  EXPECT_EQ(newest(), Step{3});
}

TEST_F(Commit, PreparationFailsWithTheRunDirectoryCodeWhicheverOperationFails) {
  std::int64_t injected = 0;
  for (std::int64_t k = 1; k < 100; ++k) {
    FaultyDisk disk(real_disk());
    disk.arm({.fail_at = k, .error = EROFS});
    const ExitCode code = code_of([&] { store(disk).prepare(0); });
    injected += disk.injections();
    if (disk.injections() == 0) break;
    EXPECT_EQ(code, ExitCode::kRunDirectory) << k;
  }
  EXPECT_GT(injected, 8);
}

TEST_F(Commit, PreparationBelievesTheFreeSpaceItIsTold) {
  FaultyDisk disk(real_disk());
  disk.claim_free_bytes(99);
  std::string message;
  EXPECT_EQ(code_of([&] { store(disk).prepare(100); }, &message), ExitCode::kRunDirectory);
  EXPECT_NE(message.find("99"), std::string::npos) << message;
  EXPECT_EQ(code_of([&] { store(disk).prepare(99); }), ExitCode::kDone);
}

// F18: what it was told at the start is no longer so when it writes.
TEST_F(Commit, AFullDiskThatClaimedToHaveRoomLeavesThePreviousCheckpoint) {
  start_over();
  FaultyDisk disk(real_disk());
  disk.claim_free_bytes(1ull << 40);
  auto trusting = store(disk);
  EXPECT_EQ(code_of([&] { trusting.prepare(1ull << 30); }), ExitCode::kDone);
  std::int64_t full = 0;
  for (const char* only : {"reserve", "write", "sync"}) {
    disk.arm({.fail_at = 1, .for_ever = true, .error = ENOSPC, .only = only});
    EXPECT_EQ(code_of([&] { trusting.save(OwnedState(3, 1, 4).state, false); }), ExitCode::kStorage);
    full += disk.injections();
    EXPECT_FALSE(any_staging());
    EXPECT_EQ(newest(), Step{2});
  }
  EXPECT_GE(full, 3);
}

TEST_F(Commit, ReadingTriesAStorageErrorOnceMoreAndThenFallsBack) {
  std::int64_t fallbacks = 0;
  for (std::int64_t k = 1;; ++k) {
    start_over();
    FaultyDisk once(real_disk());
    once.arm({.fail_at = k, .only = "read"});
    EXPECT_EQ(newest_whole(store(once))->record().step, Step{2});
    if (once.injections() == 0) break;
    FaultyDisk dead(real_disk());
    dead.arm({.fail_at = k, .for_ever = true, .only = "read"});
    EXPECT_EQ(code_of([&] { newest_whole(store(dead)); }), ExitCode::kNoValidCheckpoint);
    fallbacks += log_.count("checkpoint_refused") > 0 ? 1 : 0;
  }
  EXPECT_GT(fallbacks, 2);
}

}  // namespace
}  // namespace lockstep
