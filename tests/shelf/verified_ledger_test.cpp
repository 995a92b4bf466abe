// SPDX-License-Identifier: Apache-2.0
#include "shelf/verified_ledger.h"

#include "shelf/fixture.h"
#include "shelf/newest_whole.h"
#include "support/faulty_disk.h"

namespace lockstep {
namespace {

// A folder where checkpoints of somebody else cannot be renamed, as below a sticky directory.
class StickyDisk : public FaultyDisk {
 public:
  StickyDisk() : FaultyDisk(real_disk()) { arm({.fail_at = 1 << 30, .only = "read"}); }
  void rename(const std::string& from, const std::string& to) override {
    if (from.find("/step-") != std::string::npos) {
      ++refusals_;
      throw Fault(ExitCode::kStorage, from + ": Operation not permitted");
    }
    FaultyDisk::rename(from, to);
  }
  int refusals() const { return refusals_; }

 private:
  int refusals_ = 0;
};

class VerifiedLedgerTest : public ::testing::Test {
 protected:
  CheckpointStore store(Disk& disk) { return {dir_, {}, disk, log_.sink()}; }
  void save(std::int64_t step) { store(real_disk()).save(OwnedState(step, 1, 400).state, false); }
  void spoil(std::int64_t step) {
    const std::string path = dir_ + "/step-0000000" + std::to_string(step) + "/checkpoint.h5";
    std::string bytes = slurp(path);
    bytes[bytes.size() - 1000] ^= 4;
    spill(path, bytes);
  }
  std::unique_ptr<CheckpointReader> open(const std::string& name) {
    return CheckpointReader::open(real_disk(), dir_ + "/" + name);
  }
  std::optional<Soundness> verdict(const std::string& name) {
    return VerifiedLedger(real_disk(), dir_).of(*open(name));
  }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  EventLog log_;
};

TEST_F(VerifiedLedgerTest, RemembersWhatARestoreVerified) {
  for (const std::int64_t step : {1, 2}) save(step);
  EXPECT_EQ(verdict("step-00000002"), std::nullopt);
  EXPECT_TRUE(newest_whole(store(real_disk())));
  EXPECT_EQ(verdict("step-00000002"), Soundness::kGood);
  EXPECT_EQ(verdict("step-00000001"), std::nullopt);
}

TEST_F(VerifiedLedgerTest, RemembersWhatASaveReadBack) {
  CheckpointOptions options;
  options.verify_after_save = true;
  CheckpointStore(dir_, options, real_disk(), log_.sink()).save(OwnedState(1).state, false);
  EXPECT_EQ(verdict("step-00000001"), Soundness::kGood);
}

TEST_F(VerifiedLedgerTest, ForgetsACheckpointThatChangedSince) {
  save(1);
  newest_whole(store(real_disk()));
  const std::string path = dir_ + "/step-00000001/checkpoint.h5";
  const auto time = fs::last_write_time(path);
  fs::last_write_time(path, time + std::chrono::seconds(1));
  EXPECT_EQ(verdict("step-00000001"), std::nullopt);
  fs::last_write_time(path, time);
  EXPECT_EQ(verdict("step-00000001"), Soundness::kGood);
  fs::remove_all(dir_ + "/step-00000001");
  store(real_disk()).save(OwnedState(1, 2, 400).state, false);
  EXPECT_EQ(verdict("step-00000001"), std::nullopt) << "another checkpoint of the same step";
}

TEST_F(VerifiedLedgerTest, IgnoresWhatIsNoLineOfIt) {
  save(1);
  VerifiedLedger ledger(real_disk(), dir_);
  ASSERT_TRUE(ledger.note(*open("step-00000001"), Soundness::kGood));
  const std::string good = slurp(dir_ + "/verified");
  for (const std::string& text :
       {std::string("\n\xff\n good\n"), good.substr(0, good.size() - 5), "fine" + good.substr(4),
        std::string(3 << 20, 'x'), "good ../step-00000001 " + good.substr(19)}) {
    spill(dir_ + "/verified", text);
    EXPECT_EQ(ledger.of(*open("step-00000001")), std::nullopt) << text.substr(0, 80);
    EXPECT_TRUE(ledger.note(*open("step-00000001"), Soundness::kGood));
    EXPECT_EQ(slurp(dir_ + "/verified"), good);
  }
}

TEST_F(VerifiedLedgerTest, KeepsNoLineOfACheckpointThatIsGone) {
  for (const std::int64_t step : {1, 2}) {
    save(step);
    newest_whole(store(real_disk()));
  }
  fs::remove_all(dir_ + "/step-00000001");
  VerifiedLedger(real_disk(), dir_).note(*open("step-00000002"), Soundness::kGood);
  EXPECT_EQ(slurp(dir_ + "/verified").find("step-00000001"), std::string::npos);
}

TEST_F(VerifiedLedgerTest, AFailureToNoteIsNoFailureToRestore) {
  std::int64_t injected = 0;
  for (std::int64_t k = 1; k < 20; ++k) {
    fs::remove_all(dir_);
    save(1);
    FaultyDisk disk(real_disk());
    disk.arm({.fail_at = k, .for_ever = true, .error = EROFS, .only = "create"});
    EXPECT_TRUE(newest_whole(store(disk)));
    injected += disk.injections();
    if (disk.injections() == 0) break;
    EXPECT_EQ(verdict("step-00000001"), std::nullopt);
  }
  EXPECT_GE(injected, 1);
}

TEST_F(VerifiedLedgerTest, ABadCheckpointThatCannotBeMovedIsReadWholeOnlyOnce) {
  for (const std::int64_t step : {1, 2}) save(step);
  spoil(2);
  StickyDisk disk;
  EXPECT_EQ(newest_whole(store(disk))->record().step, Step{1});
  EXPECT_EQ(disk.refusals(), 1);
  EXPECT_EQ(log_.last("checkpoint_refused").at("tensor"), "optimizer/exp_avg_sq/layers.0.weight");
  EXPECT_EQ(log_.last("checkpoint_refused").at("remembered"), "yes");
  EXPECT_TRUE(log_.last("checkpoint_refused").contains("not_moved"));
  EXPECT_EQ(verdict("step-00000002"), Soundness::kBad);
  const std::int64_t first = disk.operations();
  disk.arm({.fail_at = 1 << 30, .only = "read"});
  EXPECT_EQ(newest_whole(store(disk))->record().step, Step{1});
  EXPECT_EQ(log_.count("checkpoint_refused"), 2u);
  EXPECT_LT(disk.operations(), first) << "the bad one was read again";
  // Mended, it counts again.
  spoil(2);
  EXPECT_EQ(newest_whole(store(disk))->record().step, Step{2});
}

TEST_F(VerifiedLedgerTest, ABadCheckpointOnADiskThatTakesNothingStillGivesWayToTheOlderOne) {
  for (const std::int64_t step : {1, 2, 3}) save(step);
  for (const std::int64_t step : {2, 3}) spoil(step);
  FaultyDisk disk(real_disk());
  disk.arm({.fail_at = 1, .for_ever = true, .error = EROFS, .only = "rename"});
  EXPECT_EQ(newest_whole(store(disk))->record().step, Step{1});
  EXPECT_GE(disk.injections(), 2);
  EXPECT_EQ(log_.count("checkpoint_refused"), 2u);
  EXPECT_EQ(log_.last("checkpoint_refused").at("remembered"), "no");
}

TEST_F(VerifiedLedgerTest, ABadCheckpointInTheWayOfACommitIsNamed) {
  save(2);
  spoil(2);
  StickyDisk disk;
  std::string message;
  EXPECT_EQ(code_of([&] { store(disk).save(OwnedState(2, 1, 400).state, false); }, &message),
            ExitCode::kRunDirectory);
  EXPECT_NE(message.find("in the way"), std::string::npos) << message;
  EXPECT_GE(disk.refusals(), 1);
}

}  // namespace
}  // namespace lockstep
