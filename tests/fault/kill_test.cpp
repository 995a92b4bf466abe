// SPDX-License-Identifier: Apache-2.0
// F1: a rank is killed, anywhere.
#include <algorithm>

#include "job/job.h"

namespace lockstep::testing {
namespace {

struct Kill {
  const char* name;
  const char* point;
  int rank;
  int step;
  int resumes_at;  // the newest commit when it dies; 0: none yet

  friend void PrintTo(const Kill& one, std::ostream* out) { *out << one.name; }
};

std::string plan(const Kill& kill, const std::string& file) {
  return "kill@rank=" + std::to_string(kill.rank) + ",step=" + std::to_string(kill.step) +
         ",point=" + kill.point + ",file=" + file;
}

class KilledAt : public ::testing::TestWithParam<Kill> {};

TEST_P(KilledAt, EndsAllRanksAndResumesToTheSameEnd) {
  const Kill& kill = GetParam();
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  Process process(job.command({.ranks = 2}), job.options({.ranks = 2, .fault = plan(kill, fired)}));
  ASSERT_TRUE(wait_until([&] { return injections(fired) == 1; }));
  const auto killed = std::chrono::steady_clock::now();
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.code, 137) << result.err;
  EXPECT_TRUE(job.all_gone_within(std::chrono::seconds(10)));
  EXPECT_LE(std::chrono::steady_clock::now() - killed, std::chrono::seconds(10));
  EXPECT_EQ(injections(fired), 1);

  const ProcessResult again = job.train({.ranks = 2});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
  EXPECT_EQ(job.events("checkpoint_refused").size(), 0u);
  const std::vector<Json> resumed = job.events("resumed");
  ASSERT_EQ(resumed.size(), kill.resumes_at == 0 ? 0u : 1u);
  for (const Json& event : resumed) EXPECT_EQ(event.at("step"), kill.resumes_at);
  // What the dead life left half-done is gone.
  EXPECT_EQ(job.leftovers(), 0);
}

// mlp_config() saves at 3, 4 (best), 6, 8 (best), 9 and 12, if the validation loss falls.
INSTANTIATE_TEST_SUITE_P(
    F1, KilledAt,
    ::testing::Values(Kill{"StartupRank0", "startup", 0, 0, 0}, Kill{"StartupRank1", "startup", 1, 0, 0},
                      Kill{"StepRank0", "step", 0, 8, 6}, Kill{"StepRank1", "step", 1, 8, 6},
                      Kill{"ForwardRank0", "micro_batch", 0, 8, 6},
                      Kill{"ForwardRank1", "micro_batch", 1, 8, 6}, Kill{"ReduceRank0", "reduce", 0, 8, 6},
                      Kill{"ReduceRank1", "reduce", 1, 8, 6}, Kill{"EvaluationRank0", "eval", 0, 8, 6},
                      Kill{"EvaluationRank1", "eval", 1, 8, 6}, Kill{"SaveBegin", "ckpt.begin", 0, 6, 4},
                      Kill{"SaveAfterShard", "ckpt.after_shard", 0, 6, 4},
                      Kill{"SaveAfterManifest", "ckpt.after_manifest", 0, 6, 4},
                      Kill{"SaveBeforeRename", "ckpt.before_rename", 0, 6, 4},
                      Kill{"SaveAfterRename", "ckpt.after_rename", 0, 6, 6},
                      Kill{"SaveAfterLatest", "ckpt.after_latest", 0, 6, 6},
                      Kill{"SaveBeforePrune", "ckpt.before_prune", 0, 6, 6}),
    [](const auto& info) { return info.param.name; });

// While buckets leave during backward, by a thread beside the one that trains.
struct BucketKill {
  const char* name;
  int rank;
  bool two_hosts;

  friend void PrintTo(const BucketKill& one, std::ostream* out) { *out << one.name; }
};

class KilledWithABucket : public ::testing::TestWithParam<BucketKill> {};

TEST_P(KilledWithABucket, EndsAllRanksAndResumesToTheSameEnd) {
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  Start start{.ranks = 3,
              .fault = plan({"", "bucket", GetParam().rank, 8, 6}, fired),
              .overrides = {"dist.overlap=on", "dist.bucket_mb=0.001"}};
  if (GetParam().two_hosts && !no_hosts().empty()) GTEST_SKIP() << no_hosts();
  GetParam().two_hosts ? start.on_two_hosts() : start.overrides.push_back("dist.shared_memory=false");
  Process process(job.command(start), job.options(start));
  ASSERT_TRUE(wait_until([&] { return injections(fired) == 1; }));
  EXPECT_EQ(process.wait().code, 137);
  EXPECT_TRUE(job.all_gone_within(std::chrono::seconds(10)));
  start.fault = "";
  const ProcessResult again = job.train(start);
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
  EXPECT_EQ(job.events("resumed").size(), 1u);
}

// On two hosts rank 0 dies while rank 1 waits for it in memory they have in common, rank 2 for a message.
INSTANTIATE_TEST_SUITE_P(F1, KilledWithABucket,
                         ::testing::Values(BucketKill{"Rank0", 0, false}, BucketKill{"Rank2", 2, false},
                                           BucketKill{"Rank0OnTwoHosts", 0, true},
                                           BucketKill{"Rank2OnTwoHosts", 2, true}),
                         [](const auto& info) { return info.param.name; });

// A save beside the training, one file or a shard a rank: what had been committed when the rank died decides.
struct KillBeside {
  const char* name;
  const char* layout;
  const char* point;
  int rank;

  friend void PrintTo(const KillBeside& one, std::ostream* out) { *out << one.name; }
};

class KilledBesideTraining : public ::testing::TestWithParam<KillBeside> {};

TEST_P(KilledBesideTraining, ResumesFromTheNewestCommitToTheSameEnd) {
  const KillBeside& kill = GetParam();
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const std::vector<std::string> beside = {"checkpoint.async=true",
                                           std::string("checkpoint.layout=") + kill.layout};
  const Kill at{kill.name, kill.point, kill.rank, 6, 0};
  const ProcessResult result = job.train({.ranks = 2, .fault = plan(at, fired), .overrides = beside});
  EXPECT_EQ(result.code, 137) << result.err;
  EXPECT_EQ(injections(fired), 1);
  const std::vector<std::string> left = job.checkpoint_names();
  ASSERT_FALSE(left.empty());
  EXPECT_TRUE(job.verifies(job.checkpoints() + "/" + left.back()));

  const ProcessResult again = job.train({.ranks = 2, .overrides = beside});
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
  EXPECT_EQ(job.events("checkpoint_refused").size(), 0u);
  const std::vector<Json> resumed = job.events("resumed");
  ASSERT_EQ(resumed.size(), 1u);
  EXPECT_EQ(resumed[0].at("directory").get<std::string>(), "run/ckpt/" + left.back());
  EXPECT_EQ(job.leftovers(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    F1, KilledBesideTraining,
    ::testing::Values(KillBeside{"WholeStep", "consolidated", "step", 1},
                      KillBeside{"WholeBegin", "consolidated", "ckpt.begin", 0},
                      KillBeside{"WholeAfterShard", "consolidated", "ckpt.after_shard", 0},
                      KillBeside{"WholeBeforeRename", "consolidated", "ckpt.before_rename", 0},
                      KillBeside{"WholeAfterRename", "consolidated", "ckpt.after_rename", 0},
                      KillBeside{"ShardsStep", "sharded", "step", 0},
                      KillBeside{"ShardsAfterShardRank0", "sharded", "ckpt.after_shard", 0},
                      KillBeside{"ShardsAfterShardRank1", "sharded", "ckpt.after_shard", 1},
                      KillBeside{"ShardsAfterManifest", "sharded", "ckpt.after_manifest", 0},
                      KillBeside{"ShardsBeforeRename", "sharded", "ckpt.before_rename", 0},
                      KillBeside{"ShardsAfterRename", "sharded", "ckpt.after_rename", 0}),
    [](const auto& info) { return info.param.name; });

// The guard: a save is built beside the checkpoints and renamed when it is whole. Without that, a killed save
// leaves half a checkpoint under the name of a whole one.
TEST(WithoutStaging, AKilledSaveLeavesADamagedCheckpoint) {
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const ProcessResult result =
      job.train({.launcher = Launcher::kNone,
                 .fault = "skip@point=guard.skip_staging;kill@step=6,point=ckpt.after_shard,file=" + fired});
  EXPECT_EQ(result.code, 137);
  EXPECT_EQ(injections(fired), 1);
  EXPECT_EQ(job.train({.launcher = Launcher::kNone}).code, 0);
  EXPECT_EQ(job.events("checkpoint_refused").size(), 1u);
}

}  // namespace
}  // namespace lockstep::testing
