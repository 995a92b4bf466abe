// SPDX-License-Identifier: Apache-2.0
// F18, F20, F22 and F24: disks that do less than they are asked, say more than they did, or lack what others
// have.
#include <cstring>
#include <filesystem>

#include "job/job.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

// A run of mlp_config() whose checkpoint files have the habits that preload/odd_disk.cpp knows.
class OddDisk : public ::testing::Test {
 protected:
  void SetUp() override { write_file(counts_, std::string(8 * sizeof(std::uint64_t), '\0')); }
  ProcessResult train(const std::string& habits, std::vector<std::string> overrides = {}) const {
    return job_.train({.launcher = Launcher::kNone,
                       .overrides = std::move(overrides),
                       .before = {"env", "LD_PRELOAD=" LOCKSTEP_ODD_DISK, "ODD_DISK=" + habits,
                                  "ODD_DISK_COUNTS=" + counts_}});
  }
  // How often the n-th habit was shown.
  std::uint64_t shown(std::size_t habit) const {
    std::uint64_t count = 0;
    std::memcpy(&count, read_file(counts_).data() + habit * sizeof count, sizeof count);
    return count;
  }

  Job job_{mlp_config()};
  std::string counts_ = job_.path("counts");
};

TEST_F(OddDisk, WithShortAndInterruptedCallsHoldsTheSameCheckpoints) {
  for (const char* layout : {"checkpoint.layout=consolidated", "checkpoint.layout=sharded"}) {
    SCOPED_TRACE(layout);
    fs::remove_all(job_.run());
    SetUp();
    // The second life also restores through it.
    for (const char* steps : {"train.steps=7", "train.steps=12"}) {
      const ProcessResult result = train("short interrupted", {layout, steps, "schedule.type=constant"});
      ASSERT_EQ(result.code, 0) << result.err;
    }
    EXPECT_GT(shown(0), 100u);
    EXPECT_GT(shown(1), 100u);
    EXPECT_EQ(job_.events("resumed").size(), 1u);
    EXPECT_EQ(job_.state_hash(), reference_hash(mlp_config(), {"schedule.type=constant"}));
    for (const std::string& name : job_.checkpoint_names())
      EXPECT_TRUE(job_.verifies(job_.checkpoints() + "/" + name));
  }
}

TEST_F(OddDisk, WithoutLocksAndDirectorySyncIsUsedAndSaidOnce) {
  const ProcessResult result = train("no_locks no_directory_sync");
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_GT(shown(2), 0u);
  EXPECT_GT(shown(3), 4u);
  EXPECT_NE(result.err.find("has no flock"), std::string::npos) << result.err;
  EXPECT_EQ(job_.state_hash(), reference_hash(mlp_config()));
  EXPECT_TRUE(job_.verifies(job_.checkpoint(12)));
}

// Rank 1 sees the checkpoints later than rank 0 does.
TEST_F(OddDisk, ThatShowsARenameLateCostsNoCheckpoint) {
  ASSERT_EQ(
      job_.train({.launcher = Launcher::kNone, .overrides = {"train.steps=6", "schedule.type=constant"}})
          .code,
      0);
  const std::vector<std::string> late = {"env", "LD_PRELOAD=" LOCKSTEP_ODD_DISK, "ODD_DISK=late",
                                         "ODD_DISK_COUNTS=" + counts_};
  const ProcessResult result =
      job_.train({.ranks = 2, .overrides = {"schedule.type=constant"}, .before_rank = {{"env"}, late}});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(shown(4), 4u);
  EXPECT_EQ(job_.events("checkpoint_refused").size(), 0u);
  EXPECT_EQ(job_.events("resumed").at(0).at("step"), 6);
  EXPECT_EQ(job_.state_hash(), reference_hash(mlp_config(), {"schedule.type=constant"}));
}

// 4 KiB of a checkpoint's file are called written and are not.
class LyingDisk : public ::testing::Test {
 protected:
  ProcessResult train(const std::string& verify, const std::vector<std::string>& lie = {}) {
    fs::remove_all(job_.run());
    std::vector<std::string> traced = {"strace", "-f", "-y",   "-s", "0",
                                       "-qq",    "-o", trace_, "-e", "trace=pwrite64"};
    traced.insert(traced.end(), lie.begin(), lie.end());
    return job_.train({.launcher = Launcher::kNone,
                       .overrides = {"checkpoint.verify_after_save=" + verify, "checkpoint.writers=1",
                                     "model.hidden=[256, 128]", "train.steps=3", "train.eval_every=0"},
                       .before = traced});
  }
  // Which of the run's writes is the first one of a checkpoint's tensors.
  int first_write() {
    EXPECT_EQ(train("false").code, 0);
    const std::vector<std::string> lines = lines_of(trace_);
    for (std::size_t i = 0; i < lines.size(); ++i)
      if (lines[i].find("checkpoint.h5>") != std::string::npos) return static_cast<int>(i) + 1;
    ADD_FAILURE() << "no write of a checkpoint";
    return 0;
  }
  bool lied() const {
    for (const std::string& line : lines_of(trace_))
      if (line.find("(INJECTED)") != std::string::npos)
        return line.find("checkpoint.h5>") != std::string::npos;
    return false;
  }

  // The journal's thread writes, too: which write is the checkpoint's first differs from run to run.
  ProcessResult train_on_a_lie(const std::string& verify) {
    ProcessResult result;
    for (int left = 10; left > 0; --left) {
      result = train(verify, {"-e", "inject=pwrite64:retval=4096:when=" + std::to_string(first_write())});
      if (lied()) break;
    }
    return result;
  }

  Job job_{mlp_config()};
  std::string trace_ = job_.path("trace");
};

TEST_F(LyingDisk, IsFoundByVerifyAfterSaveAndElseBeforeItIsUsed) {
  const ProcessResult careful = train_on_a_lie("true");
  EXPECT_TRUE(lied());
  EXPECT_EQ(careful.code, 74) << careful.err;
  EXPECT_NE(careful.err.find("reads back other than it was written"), std::string::npos) << careful.err;
  EXPECT_EQ(job_.leftovers(), 0);
  const ProcessResult trusting = train_on_a_lie("false");
  EXPECT_TRUE(lied());
  // At its end, when weights.h5 is made of it.
  EXPECT_EQ(trusting.code, 65) << trusting.err;
  EXPECT_EQ(job_.checkpoint_names(), std::vector<std::string>{"step-00000003.bad"});
}

}  // namespace
}  // namespace lockstep::testing
