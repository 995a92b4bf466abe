// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "job/job.h"

namespace lockstep::testing {
namespace {

const std::string kBf16 = "train.precision=bf16";

// Alone; and killed at four ranks, then at two that exchange messages, and ended by three.
TEST(Bf16, EndsAlikeAtAnyNumberOfRanksAndThroughKills) {
  for (const auto& [config, last] : {std::pair(mlp_config(), 12), std::pair(gpt_config(), 4)}) {
    const std::string alone = reference_hash(config, {kBf16});
    EXPECT_NE(alone, reference_hash(config));
    const Job job(config);
    const auto life = [&](int ranks, const std::string& shares, int killed_in) {
      Start start{.ranks = ranks, .overrides = {kBf16, "dist.shared_memory=" + shares}};
      if (killed_in > 0)
        start.fault = "kill@rank=1,point=reduce,step=" + std::to_string(killed_in) +
                      ",file=" + job.path("fired." + shares);
      return job.train(start);
    };
    EXPECT_EQ(life(4, "true", last - 1).code, 137);
    EXPECT_EQ(life(2, "false", last).code, 137);
    const ProcessResult result = life(3, "true", 0);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(job.state_hash(), alone);
    EXPECT_EQ(injections(job.path("fired.true")), 1);
    EXPECT_EQ(injections(job.path("fired.false")), 1);
  }
}

TEST(Bf16, KeepsBatchNormExactAtAnyNumberOfRanks) {
  const std::string alone = reference_hash(resnet_config(), {kBf16});
  const Job job(resnet_config());
  const ProcessResult result = job.train({.ranks = 3, .overrides = {kBf16}});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(job.state_hash(), alone);
}

TEST(Precision, IsNotChangedByAResumeUnlessAllowed) {
  const Job job(mlp_config());
  const std::string kill = "kill@step=8,file=" + job.path("fired");
  EXPECT_EQ(job.train({.launcher = Launcher::kNone, .fault = kill}).code, 137);
  EXPECT_EQ(injections(job.path("fired")), 1);
  const ProcessResult refused = job.train({.launcher = Launcher::kNone, .overrides = {kBf16}});
  EXPECT_EQ(refused.code, 78);
  EXPECT_NE(refused.err.find("train.precision: full -> bf16"), std::string::npos) << refused.err;
  const ProcessResult allowed = job.train(
      {.launcher = Launcher::kNone, .overrides = {kBf16, "resume.allow_changes=[train.precision]"}});
  EXPECT_EQ(allowed.code, 0) << allowed.err;
  EXPECT_NE(job.state_hash(), reference_hash(mlp_config()));
}

// One number a sample and one sample a micro-batch: an error above 0.5 times twice 65536 is more than float16
// has, so that some micro-batches overflow in the first steps and others do not.
std::string overflowing_config() {
  return R"(version: 1
run: {name: job, dir: run, seed: 7}
model: {type: mlp, inputs: 16, hidden: [8], outputs: 1, dropout: 0.1}
data: {type: synthetic, samples: 120, input_shape: [16], classes: 0, targets: 1}
train: {steps: 12, global_batch: 6, micro_batch: 1, grad_clip: 1.0, precision: fp16}
optim: {type: adamw, lr: 1e-2}
checkpoint: {async: false, every_steps: 2, keep_last: 2}
log: {every_steps: 1}
)";
}

// The steps that made no update.
std::vector<int> overflows(const Job& job) {
  std::vector<int> steps;
  for (const Json& event : job.events("overflow_skipped")) steps.push_back(event.at("step"));
  return steps;
}

TEST(Fp16, OverflowSkipsTheStepOnAllRanksAndHalvesTheScale) {
  const Job alone(overflowing_config());
  ASSERT_EQ(alone.train({.launcher = Launcher::kNone}).code, 0);
  const std::vector<int> skipped = overflows(alone);
  ASSERT_GE(skipped.size(), 1u);
  ASSERT_LT(skipped.size(), 8u);
  EXPECT_EQ(skipped.front(), 1);
  double scale = 65536;
  int count = 0;
  for (const auto& [step, line] : alone.history()) {
    const bool was_skipped = std::ranges::find(skipped, step) != skipped.end();
    EXPECT_EQ(line.at("loss_scale"), scale) << step;
    EXPECT_TRUE(line.at("loss").is_number()) << step;
    EXPECT_EQ(line.at("grad_norm").is_null(), was_skipped) << step;
    if (was_skipped) scale /= 2;
    count += was_skipped ? 1 : 0;
    EXPECT_EQ(line.at("overflows"), count) << step;
  }
  EXPECT_TRUE(alone.events("step_skipped").empty());
  const Json state = alone.show(alone.checkpoint(12)).at("extra").at("loss_scaler");
  EXPECT_EQ(state.at("scale"), scale);
  EXPECT_EQ(state.at("overflows"), count);

  for (const std::string shares : {"true", "false"}) {
    const Job job(overflowing_config());
    const ProcessResult result = job.train({.ranks = 3, .overrides = {"dist.shared_memory=" + shares}});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(job.state_hash(), alone.state_hash());
    EXPECT_EQ(job.history(), alone.history());
  }
}

// Between an overflow and the end, on any number of ranks.
TEST(Fp16, ResumeKeepsTheScale) {
  const Job alone(overflowing_config());
  ASSERT_EQ(alone.train({.launcher = Launcher::kNone}).code, 0);
  const Job job(overflowing_config());
  const std::string kill = "kill@rank=1,point=reduce,step=6,file=" + job.path("fired");
  EXPECT_EQ(job.train({.ranks = 2, .fault = kill}).code, 137);
  EXPECT_EQ(injections(job.path("fired")), 1);
  const ProcessResult result = job.train({.ranks = 3});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(job.state_hash(), alone.state_hash());
  EXPECT_EQ(job.history(), alone.history());
}

// The scaler has nothing to do with a loss that is none.
TEST(Fp16, LeavesALossThatIsNotFiniteToOnNan) {
  const Job job(overflowing_config());
  const std::string nan = "nan@point=loss,rank=0,step=9,file=" + job.path("nan");
  const ProcessResult result = job.train({.ranks = 2, .fault = nan, .overrides = {"on_nan=skip"}});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(injections(job.path("nan")), 1);
  ASSERT_EQ(job.events("step_skipped").size(), 1u);
  EXPECT_EQ(job.events("step_skipped")[0].at("step"), 9);
  for (const int step : overflows(job)) EXPECT_NE(step, 9);
}

TEST(Recompute, OfTheBlocksEndsInTheSameState) {
  for (const std::string precision : {"full", "bf16"}) {
    const Job job(gpt_config());
    const ProcessResult result =
        job.train({.ranks = 2, .overrides = {"train.precision=" + precision, "train.recompute=blocks"}});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(job.state_hash(), reference_hash(gpt_config(), {"train.precision=" + precision}));
  }
}

}  // namespace
}  // namespace lockstep::testing
