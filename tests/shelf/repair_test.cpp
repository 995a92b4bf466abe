// SPDX-License-Identifier: Apache-2.0
#include "shelf/repair.h"

#include "checkpoint/catalog.h"
#include "shelf/fixture.h"
#include "shelf/newest_whole.h"
#include "shelf/pointer.h"
#include "shelf/sharded_save.h"
#include "shelf/tags.h"
#include "support/faulty_disk.h"

namespace lockstep {
namespace {

class RepairTest : public ::testing::Test {
 protected:
  void save(std::int64_t step, double valid_loss = 1) {
    OwnedState owned(step, 1, 4);
    owned.state.record.metrics = {{"valid_loss", valid_loss}};
    owned.state.record.config["checkpoint.keep_best.count"] = "1";
    CheckpointOptions options;
    options.keep_last = 9;
    CheckpointStore(dir_, options, real_disk(), log_.sink()).save(owned.state, step == 1);
  }
  static std::string flip(const std::string& path) {
    std::string bytes = slurp(path);
    bytes[bytes.size() / 2] ^= 4;
    spill(path, bytes);
    return path;
  }
  // "subject: remedy" of each finding.
  std::vector<std::string> repair(RepairMode mode, Disk& disk = real_disk()) {
    std::vector<std::string> lines;
    valid_ = repair_checkpoints(disk, dir_, mode, [&](const RepairLine& line) {
      lines.push_back(line.subject + ": " + line.remedy);
    });
    return lines;
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const std::string& name : real_disk().list(dir_))
      if (name.starts_with("step-") || name.starts_with(".")) out.push_back(name);
    return out;
  }
  std::string names_of(const char* pointer) {
    const auto found = read_pointer(real_disk(), dir_ + "/" + pointer);
    return found ? found->directory : "";
  }
  using Lines = std::vector<std::string>;

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  EventLog log_;
  bool valid_ = false;
};

TEST_F(RepairTest, FindsNothingInAHealthyFolder) {
  for (const std::int64_t step : {1, 2}) save(step);
  EXPECT_EQ(repair(RepairMode::kLook), Lines{});
  EXPECT_EQ(repair(RepairMode::kMend), Lines{});
  EXPECT_TRUE(valid_);
}

TEST_F(RepairTest, SetsBadOnesAsideAndPointsAtWhatIsLeft) {
  for (const std::int64_t step : {1, 2, 3}) save(step, 4.0 - static_cast<double>(step));
  write_pointer(real_disk(), dir_ + "/best", *read_pointer(real_disk(), dir_ + "/latest"));
  flip(dir_ + "/step-00000003/checkpoint.h5");
  fs::create_directories(dir_ + "/.staging-step-00000004/x");
  spill(dir_ + "/latest.part", "torn");
  const Lines wanted = {".staging-step-00000004: removed", "latest.part: removed",
                        "step-00000003: set aside as step-00000003.bad", "latest: pointed at step-00000002",
                        "best: pointed at step-00000002"};
  EXPECT_EQ(repair(RepairMode::kLook), wanted);
  EXPECT_EQ(names(), (Lines{".staging-step-00000004", "step-00000001", "step-00000002", "step-00000003"}));
  EXPECT_EQ(names_of("latest"), "step-00000003");
  EXPECT_EQ(repair(RepairMode::kMend), wanted);
  EXPECT_EQ(names(), (Lines{"step-00000001", "step-00000002", "step-00000003.bad"}));
  EXPECT_EQ(names_of("latest"), "step-00000002");
  EXPECT_EQ(names_of("best"), "step-00000002");
  EXPECT_FALSE(fs::exists(dir_ + "/latest.part"));
  EXPECT_EQ(repair(RepairMode::kMend), Lines{});
}

TEST_F(RepairTest, PutsBackWhatVerifiesAgainWhereTheNameIsFree) {
  for (const std::int64_t step : {1, 2}) save(step);
  flip(dir_ + "/step-00000002/checkpoint.h5");
  repair(RepairMode::kMend);
  // The file comes back from a copy.
  flip(dir_ + "/step-00000002.bad/checkpoint.h5");
  EXPECT_EQ(repair(RepairMode::kMend),
            (Lines{"step-00000002.bad: put back as step-00000002", "latest: pointed at step-00000002"}));
  EXPECT_EQ(names(), (Lines{"step-00000001", "step-00000002"}));
  // A good one of the step is there: the other stays where it is.
  fs::copy(dir_ + "/step-00000002", dir_ + "/step-00000002.bad");
  EXPECT_EQ(repair(RepairMode::kMend), Lines{});
  EXPECT_EQ(names(), (Lines{"step-00000001", "step-00000002", "step-00000002.bad"}));
}

TEST_F(RepairTest, ABadOneGivesItsNameToAGoodOneOfTheStep) {
  save(1);
  fs::copy(dir_ + "/step-00000001", dir_ + "/step-00000001.bad");
  flip(dir_ + "/step-00000001/checkpoint.h5");
  const Lines wanted = {"step-00000001: set aside as step-00000001.bad-2",
                        "step-00000001.bad: put back as step-00000001"};
  EXPECT_EQ(repair(RepairMode::kLook), wanted);
  EXPECT_TRUE(valid_);
  EXPECT_EQ(repair(RepairMode::kMend), wanted);
  EXPECT_EQ(names(), (Lines{"step-00000001", "step-00000001.bad-2"}));
  EXPECT_EQ(repair(RepairMode::kMend), Lines{});
}

TEST_F(RepairTest, WritesMissingAndDamagedPointersAnew) {
  for (const std::int64_t step : {1, 2, 3}) save(step, std::abs(static_cast<double>(step) - 2));
  for (const std::string& text : {std::string(), std::string("step-00000009 x"), std::string("gone")}) {
    spill(dir_ + "/latest", text);
    spill(dir_ + "/best", text);
    if (text == "gone") {
      fs::remove(dir_ + "/latest");
      fs::remove(dir_ + "/best");
    }
    EXPECT_EQ(repair(RepairMode::kMend),
              (Lines{"latest: pointed at step-00000003", "best: pointed at step-00000002"}));
    EXPECT_EQ(names_of("latest"), "step-00000003");
    EXPECT_EQ(names_of("best"), "step-00000002");
  }
}

TEST_F(RepairTest, NamesTagsThatNameNothingAndLeavesThem) {
  save(1);
  write_tag(real_disk(), dir_, "lost", {"step-00000007", Digest{1, 2}});
  write_tag(real_disk(), dir_, "torn", {"step-00000001", Digest{1, 2}});
  spill(dir_ + "/tags/torn", "step-0000");
  const Lines lines = repair(RepairMode::kMend);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].substr(0, 10), "tags/lost:");
  EXPECT_EQ(lines[1].substr(0, 10), "tags/torn:");
  EXPECT_EQ(slurp(dir_ + "/tags/torn"), "step-0000");
}

// Two sharded checkpoints, one whose index is gone and one set aside because its index was damaged.
class LostIndex : public RepairTest {
 protected:
  void SetUp() override {
    CheckpointStore store(dir_, {}, real_disk(), log_.sink());
    for (const std::int64_t step : {1, 2}) save_sharded(store, splittable_state(step).state, 2);
    good_ = slurp(dir_ + "/step-00000001/index.h5");
    fs::remove(dir_ + "/step-00000001/index.h5");
    flip(dir_ + "/step-00000002/index.h5");
    EXPECT_EQ(code_of([&] { newest_whole(store); }), ExitCode::kNoValidCheckpoint);
    ASSERT_EQ(names(), (Lines{"step-00000001.bad", "step-00000002.bad"}));
  }
  std::string good_;
};

TEST_F(LostIndex, IsMadeAnewAndItsCheckpointComesBack) {
  const Lines wanted = {"step-00000001.bad/index.h5: made anew from the manifest",
                        "step-00000001.bad: put back as step-00000001",
                        "step-00000002.bad/index.h5: made anew from the manifest",
                        "step-00000002.bad: put back as step-00000002"};
  EXPECT_EQ(repair(RepairMode::kLook), wanted);
  EXPECT_TRUE(valid_);
  EXPECT_FALSE(fs::exists(dir_ + "/step-00000001.bad/index.h5")) << "looking writes nothing";
  EXPECT_EQ(repair(RepairMode::kMend), wanted);
  EXPECT_EQ(slurp(dir_ + "/step-00000001/index.h5"), good_);
  for (const char* name : {"/step-00000001", "/step-00000002"})
    CheckpointReader::open(real_disk(), dir_ + name)->verify();
  EXPECT_EQ(repair(RepairMode::kMend), Lines{});
}

TEST_F(LostIndex, IsLeftWhereMoreIsBad) {
  flip(dir_ + "/step-00000001.bad/shard-00001-of-00002.h5");
  spill(dir_ + "/step-00000002.bad/shard-00002-of-00003.h5", "of another save");
  EXPECT_EQ(repair(RepairMode::kMend), Lines{});
  EXPECT_FALSE(valid_);
  EXPECT_EQ(names(), (Lines{"step-00000001.bad", "step-00000002.bad"}));
  EXPECT_FALSE(fs::exists(dir_ + "/step-00000001.bad/index.h5"));
}

TEST_F(LostIndex, IsMadeByTheNextTryWhicheverOperationFails) {
  std::int64_t injected = 0;
  for (const std::string only : {"create", "write", "sync", "rename", "sync_directory"}) {
    fs::remove_all(dir_);
    SetUp();
    FaultyDisk disk(real_disk());
    disk.arm({.fail_at = 1, .for_ever = true, .only = only});
    EXPECT_EQ(code_of([&] { repair(RepairMode::kMend, disk); }), ExitCode::kStorage) << only;
    injected += disk.injections();
    repair(RepairMode::kMend);
    EXPECT_TRUE(valid_);
    EXPECT_EQ(names(), (Lines{"step-00000001", "step-00000002"})) << only;
  }
  EXPECT_GE(injected, 5);
}

TEST_F(RepairTest, SaysThatNoneVerifies) {
  save(1);
  flip(dir_ + "/step-00000001/manifest.json");
  repair(RepairMode::kMend);
  EXPECT_FALSE(valid_);
  EXPECT_EQ(names(), (Lines{"step-00000001.bad"}));
  EXPECT_EQ(names_of("latest"), "step-00000001") << "nothing better to name";
}

TEST_F(RepairTest, GoesOnWhereAFailureStoppedIt) {
  // Reading errors are another matter: they make a checkpoint bad.
  for (const std::string only : {"rename", "sync_directory", "remove"}) {
    std::int64_t injected = 0;
    for (std::int64_t k = 1; k < 100; ++k) {
      SCOPED_TRACE(only + " " + std::to_string(k));
      fs::remove_all(dir_);
      for (const std::int64_t step : {1, 2}) save(step);
      flip(dir_ + "/step-00000002/checkpoint.h5");
      fs::create_directories(dir_ + "/.trash-step-00000009/x");
      FaultyDisk disk(real_disk());
      disk.arm({.fail_at = k, .for_ever = true, .only = only});
      code_of([&] { repair(RepairMode::kMend, disk); });
      const bool all_went_through = disk.injections() == 0;
      injected += all_went_through ? 0 : 1;
      repair(RepairMode::kMend);
      EXPECT_TRUE(valid_);
      EXPECT_EQ(names(), (Lines{"step-00000001", "step-00000002.bad"}));
      EXPECT_EQ(names_of("latest"), "step-00000001");
      if (all_went_through) break;
    }
    EXPECT_GE(injected, 2) << only;
  }
}

}  // namespace
}  // namespace lockstep
