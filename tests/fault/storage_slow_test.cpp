// SPDX-License-Identifier: Apache-2.0
// F13: a disk that does not answer is named, and is no hang of the training.
#include "job/job.h"
#include "slow_disk.h"

namespace lockstep::testing {
namespace {

bool has_slow(const Process& process, const std::string& what = "storage is slow: ") {
  return wait_until([&] { return process.err().find(what) != std::string::npos; });
}

TEST(FrozenDisk, StopsNoStepUntilACommitNeedsItAndIsNamed) {
  const Job job(mlp_config());
  const SlowDisk disk(job);
  const std::string steps = job.path("steps");
  const std::vector<std::string> changes = {"train.steps=300", "schedule.type=constant", "train.eval_every=0",
                                            "log.every_steps=1", "checkpoint.every_steps=200"};
  const Start start{.ranks = 2,
                    .fault = "note@rank=0,point=reduce,file=" + steps,
                    .overrides = changes,
                    .before = disk.frozen("/metrics.jsonl")};
  disk.freeze();
  Process process(job.command(start), job.options(start));
  // Far beyond the line that hangs.
  ASSERT_TRUE(wait_until([&] { return lines_of(steps).size() >= 60; }));
  EXPECT_EQ(disk.hung(), 1u);
  EXPECT_EQ(lines_of(job.run() + "/metrics.jsonl").size(), 0u);
  ASSERT_TRUE(has_slow(process, "metrics.jsonl has not answered for")) << process.err();
  // Steps went on to the commit, which waits for the lines of its steps.
  ASSERT_TRUE(wait_until([&] { return lines_of(steps).size() >= 200; }));
  EXPECT_EQ(job.checkpoint_names().size(), 0u);
  disk.thaw();
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.code, 0) << result.err;
  const std::vector<Json> slow = job.events("storage_slow");
  ASSERT_GE(slow.size(), 2u);
  EXPECT_EQ(slow.front().at("operation"), "append");
  EXPECT_NE(slow.front().at("file").get<std::string>().find("metrics.jsonl"), std::string::npos);
  EXPECT_EQ(slow.back().at("answered"), "yes");
  EXPECT_GE(slow.back().at("seconds"), 5.0);
  EXPECT_EQ(job.history().size(), 300u);
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config(), changes));
}

// F13 and H8a: an fsync that hangs while a save is written beside the training.
TEST(FrozenSave, IsNamedWhileTrainingGoesOnAndCostsNoBit) {
  const Job job(mlp_config());
  const SlowDisk disk(job);
  const std::string steps = job.path("steps");
  const std::vector<std::string> changes = {"train.steps=120", "schedule.type=constant", "train.eval_every=0",
                                            "checkpoint.every_steps=60", "checkpoint.async=true"};
  const Start start{.ranks = 2,
                    .fault = "note@rank=0,point=reduce,file=" + steps,
                    .overrides = changes,
                    .before = disk.frozen("/ckpt/")};
  Process process(job.command(start), job.options(start));
  ASSERT_TRUE(wait_until([&] { return lines_of(steps).size() >= 5; }));
  disk.freeze();
  ASSERT_TRUE(wait_until([&] { return lines_of(steps).size() >= 70; }));
  ASSERT_TRUE(has_slow(process));
  disk.thaw();
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_GT(disk.hung(), 0u);
  EXPECT_GE(job.events("storage_slow").size(), 2u);
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config(), changes));
}

}  // namespace
}  // namespace lockstep::testing
