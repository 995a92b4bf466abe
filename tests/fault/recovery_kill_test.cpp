// SPDX-License-Identifier: Apache-2.0
// F3: killed again, while it puts right what the first kill left; and the commands that remove checkpoints.
#include <filesystem>

#include "checkpoint/catalog.h"
#include "checkpoint/reader.h"
#include "lockstep/base/error.h"
#include "support/draw.h"
#include "traced_ranks.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

// The newest checkpoint that verifies; 0: none.
int newest_good(const Job& job) {
  int newest = 0;
  for (const CatalogEntry& entry : list_catalog(real_disk(), job.checkpoints())) {
    if (entry.kind != EntryKind::kCheckpoint) continue;
    try {
      CheckpointReader::open(real_disk(), job.checkpoints() + "/" + entry.name)->verify();
      newest = std::max(newest, static_cast<int>(entry.step.value));
    } catch (const Fault&) {
      // Damaged: the next start falls back.
    }
  }
  return newest;
}

void damage(const std::string& path) {
  std::string bytes = read_file(path);
  bytes[bytes.size() / 2] ^= 4;
  write_file(path, bytes);
}

// A run that died in its save of step 8 and whose newest checkpoint, of step 6, is damaged: the next life
// removes what the save left, moves the damaged one aside and restores step 4.
class Recovery : public ::testing::Test {
 protected:
  static constexpr int kGood = 4;

  void SetUp() override {
    ASSERT_EQ(job_.train({.launcher = Launcher::kNone,
                          .fault = "kill@step=8,point=ckpt.before_rename,file=" + job_.path("fired"),
                          .overrides = kSharded})
                  .code,
              137);
    ASSERT_EQ(injections(job_.path("fired")), 1);
    ASSERT_GT(job_.leftovers(), 0);
    damage(job_.checkpoint(6) + "/shard-00000-of-00001.h5");
    fs::copy(job_.run(), dead_, fs::copy_options::recursive);
    wanted_ = reference_hash(mlp_config());
  }
  void start_over() {
    fs::remove_all(job_.run());
    fs::copy(dead_, job_.run(), fs::copy_options::recursive);
  }
  // Where the recovery can die: until the run makes a checkpoint of its own.
  std::vector<KillPoint> points() {
    start_over();
    std::vector<std::string> until_the_next_save = kSharded;
    until_the_next_save.push_back("train.steps=5");
    EXPECT_EQ(ranks_.train(until_the_next_save).code, 0);
    return ranks_.points(0);
  }
  void die(const KillPoint& point) {
    SCOPED_TRACE(point.text());
    start_over();
    ASSERT_EQ(ranks_.train(kSharded, &point).code, 137);
    ASSERT_TRUE(ranks_.killed(0));
    ++killed_;
    ASSERT_GE(newest_good(job_), kGood);
    const ProcessResult again = job_.train({.launcher = Launcher::kNone, .overrides = kSharded});
    ASSERT_EQ(again.code, 0) << again.err;
    EXPECT_EQ(job_.state_hash(), wanted_);
    EXPECT_EQ(job_.leftovers(), 0);
    EXPECT_TRUE(fs::exists(job_.checkpoint(6) + ".bad"));
    for (const Json& event : job_.events("resumed")) EXPECT_GE(event.at("step"), kGood);
  }

  const std::vector<std::string> kSharded = {"checkpoint.layout=sharded"};
  Job job_{mlp_config()};
  TracedRanks ranks_{job_, 1, "pread64"};
  std::string dead_ = job_.path("dead");
  std::string wanted_;
  int killed_ = 0;
};

TEST_F(Recovery, KilledAtDrawnCallsIsFinishedByTheNextLife) {
  Draw draw;
  SCOPED_TRACE("LOCKSTEP_TEST_SEED=" + std::to_string(draw.seed()));
  std::map<std::string, std::vector<KillPoint>> by_call;
  for (const KillPoint& point : points()) by_call[point.call].push_back(point);
  ASSERT_TRUE(by_call.contains("pread64") && by_call.contains("rename") && by_call.contains("unlink"));
  std::vector<KillPoint> drawn;
  for (const auto& [call, all] : by_call) drawn.push_back(draw.one_of(all));
  for (const KillPoint& point : draw.some_of(drawn, 5)) {
    die(point);
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(killed_, 5);
}

TEST_F(Recovery, NightlyKilledAtEveryCallIsFinishedByTheNextLife) {
  const std::vector<KillPoint> all = points();
  for (const KillPoint& point : all) {
    die(point);
    if (HasFatalFailure()) return;
  }
  std::printf("%d recoveries killed\n", killed_);
  EXPECT_EQ(killed_, static_cast<int>(all.size()));
}

// A folder in which `ckpt prune` has two checkpoints to remove, and `ckpt repair` a damaged one to set aside
// and leftovers to remove.
class KilledCommand : public ::testing::TestWithParam<std::vector<std::string>> {
 protected:
  void SetUp() override {
    const std::vector<std::string> keep_all = {"checkpoint.keep_last=9", "train.eval_every=0"};
    ASSERT_EQ(job_.train({.launcher = Launcher::kNone, .overrides = keep_all}).code, 0);
    fs::create_directory(job_.checkpoints() + "/.staging-step-00000015");
    write_file(job_.checkpoints() + "/.staging-step-00000015/checkpoint.h5", "half");
    damage(job_.checkpoint(3) + "/checkpoint.h5");
    write_file(job_.checkpoints() + "/latest", "?");
    fs::copy(job_.run(), job_.path("whole"), fs::copy_options::recursive);
  }
  ProcessResult command(const std::vector<std::string>& before) {
    std::vector<std::string> words = before;
    words.insert(words.end(), {LOCKSTEP_BINARY, "ckpt"});
    words.insert(words.end(), GetParam().begin(), GetParam().end());
    words.insert(words.end(), {job_.run(), "--yes"});
    return testing::run(words);
  }
  void start_over() {
    fs::remove_all(job_.run());
    fs::copy(job_.path("whole"), job_.run(), fs::copy_options::recursive);
  }
  // Its calls that change the folder, numbered by kind.
  std::vector<std::pair<std::string, int>> points() {
    EXPECT_EQ(command({"strace", "-f", "-qq", "-o", trace_, "-e", "trace=rename,unlink,rmdir,fsync"}).code,
              0);
    std::map<std::string, int> seen;
    std::vector<std::pair<std::string, int>> points;
    for (const std::string& line : lines_of(trace_))
      for (const std::string call : {"rename", "unlink", "rmdir", "fsync"})
        if (line.find(" " + call + "(") != std::string::npos) points.emplace_back(call, ++seen[call]);
    return points;
  }
  void die(const std::string& call, int number) {
    SCOPED_TRACE(call + " " + std::to_string(number));
    start_over();
    const std::string kill = "inject=" + call + ":signal=KILL:when=" + std::to_string(number);
    EXPECT_EQ(command({"strace", "-f", "-qq", "-o", trace_, "-e", "trace=" + call, "-e", kill}).code, 137);
    EXPECT_NE(read_file(trace_).find("killed by SIGKILL"), std::string::npos);
    EXPECT_EQ(newest_good(job_), 12);
    EXPECT_EQ(command({}).code, 0);
    EXPECT_EQ(newest_good(job_), 12);
  }

  Job job_{mlp_config()};
  std::string trace_ = job_.path("trace");
};

TEST_P(KilledCommand, LeavesTheNewestCheckpointAndIsFinishedByTheNextTry) {
  Draw draw;
  SCOPED_TRACE("LOCKSTEP_TEST_SEED=" + std::to_string(draw.seed()));
  const auto all = points();
  ASSERT_GE(all.size(), 10u);
  for (const auto& [call, number] : draw.some_of(all, 5)) die(call, number);
}

TEST_P(KilledCommand, NightlyLeavesTheNewestCheckpointWhereverItDies) {
  const auto all = points();
  for (const auto& [call, number] : all) die(call, number);
  std::printf("%zu commands killed\n", all.size());
}

INSTANTIATE_TEST_SUITE_P(F3, KilledCommand,
                         ::testing::Values(std::vector<std::string>{"prune", "--keep-last", "1"},
                                           std::vector<std::string>{"repair"}),
                         [](const auto& info) { return info.param.front(); });

}  // namespace
}  // namespace lockstep::testing
