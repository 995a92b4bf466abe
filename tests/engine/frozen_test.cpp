// SPDX-License-Identifier: Apache-2.0
// What is frozen keeps its bits, and what a step does not reach is left alone: killed, resumed, exported.
// What is not the same on all ranks is refused.
#include <gmock/gmock.h>

#include "job/job.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

std::string config(const std::string& model, const std::string& optim, int steps) {
  return R"(version: 1
run: {name: job, dir: run, seed: 7}
model: )" +
         model + R"(
data: {type: synthetic, samples: 96, input_shape: [8], classes: 4}
train: {steps: )" +
         std::to_string(steps) + R"(, global_batch: 24, micro_batch: 6}
optim: )" +
         optim + R"(
checkpoint: {every_steps: 50, keep_last: 1000}
log: {every_steps: 1}
)";
}

const char* const kMomentum = "{type: sgd, lr: 1e-2, momentum: 0.9, weight_decay: 0.1}";
const char* const kAdam = "{type: adam, lr: 1e-2, weight_decay: 0.1}";
const char* const kAdamW = "{type: adamw, lr: 1e-2, weight_decay: 0.1}";

Start with(const std::vector<std::string>& overrides = {}, int ranks = 1) {
  return {.ranks = ranks,
          .launcher = ranks == 1 ? Launcher::kNone : Launcher::kMpirun,
          .overrides = overrides,
          .binary = LOCKSTEP_ENGINE_MODELS};
}

TEST(Module, ThatDiffersOnOneRankIsOneErrorThatNamesBoth) {
  const Job job(config("{type: layers}", kAdam, 2));
  Start start = with({}, 2);
  start.before_rank = {{"env"}, {"env", "ENGINE_ODD_HEAD=1"}};
  const ProcessResult result = job.train(start);
  EXPECT_EQ(result.code, 78) << result.err;
  EXPECT_THAT(result.err, HasSubstr("the module is not the same on all ranks: 'nothing' on rank 1, "
                                    "'head.bias Float [4]' on rank 0"));
}

TEST(Config, ThatDiffersOnOneRankIsOneErrorThatNamesBoth) {
  const Job job(config("{type: layers}", kAdam, 2));
  Start start = with({}, 2);
  start.before_rank = {{"env"}, {"sh", "-c", R"(exec "$@" optim.lr=0.02)", "sh"}};
  const ProcessResult result = job.train(start);
  EXPECT_EQ(result.code, 78) << result.err;
  EXPECT_THAT(result.err, HasSubstr("the config is not the same on all ranks: 'optim.lr: 0.02' on rank 1, "
                                    "'optim.lr: 0.01' on rank 0"));
}

class Frozen : public ::testing::TestWithParam<const char*> {};

TEST_P(Frozen, LayerHasTheBytesOfItsFirstStepAtTheLast) {
  const Job job(config("{type: layers, params: {freeze: first third}}", GetParam(), 200));
  const ProcessResult half = job.train(with({"train.steps=100"}, 2));
  ASSERT_EQ(half.code, 0) << half.err;
  const ProcessResult rest = job.train(with());
  ASSERT_EQ(rest.code, 0) << rest.err;
  const auto begin = job.floats(50), end = job.floats(200);
  // A run of one step with a learning rate of zero: what the constructor made.
  const Job untouched(config("{type: layers, params: {freeze: first third}}", "{type: sgd, lr: 0}", 1));
  ASSERT_EQ(untouched.train(with()).code, 0);
  const auto made = untouched.floats(1);
  for (const char* name : {"model/first.weight", "model/first.bias", "model/third.weight"}) {
    EXPECT_EQ(end.at(name), made.at(name)) << name;
    EXPECT_EQ(begin.at(name), made.at(name)) << name;
  }
  EXPECT_NE(end.at("model/second.weight"), made.at("model/second.weight"));
  for (const auto& [path, values] : end)
    EXPECT_TRUE(path.starts_with("model/") || path.find("first") == std::string::npos) << path;
}

INSTANTIATE_TEST_SUITE_P(By, Frozen, ::testing::Values(kMomentum, kAdam, kAdamW),
                         [](const auto& info) { return "Optimizer" + std::to_string(info.index); });

TEST(FrozenModel, IsRefusedInOneSentence) {
  const Job job(config("{type: layers, params: {freeze: all}}", kAdamW, 3));
  const ProcessResult result = job.train(with());
  EXPECT_EQ(result.code, 78) << result.err;
  EXPECT_THAT(result.err, HasSubstr("none of the model's parameters has requires_grad"));
}

TEST(OwnModel, WithoutBlocksToComputeAgainIsRefusedByItsName) {
  const Job job(config("{type: layers, params: {freeze: first third}}", kAdam, 2));
  const ProcessResult result = job.train(with({"train.recompute=blocks"}));
  EXPECT_EQ(result.code, 78);
  EXPECT_THAT(result.err, HasSubstr("train.recompute: model layers has no blocks to compute again"));
}

TEST(Thawed, LayerIsRefusedUnlessItIsAllowedAndThenTrains) {
  const std::string before = config("{type: layers, params: {freeze: first}}", kAdamW, 4);
  const std::string after = config("{type: layers, params: {freeze: third}}", kAdamW, 8);
  const Job job(before);
  ASSERT_EQ(job.train(with()).code, 0);
  write_file(job.path("config.yaml"), after);
  const ProcessResult refused = job.train(with({"resume.allow_changes=[model.params]"}));
  EXPECT_EQ(refused.code, 78) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("since the checkpoint of step 4, first.weight, first.bias became "
                                     "trainable and third.weight, third.bias became frozen"));
  const std::string allow = "resume.allow_changes=[model.params, model.frozen]";
  Start killed = with({allow, "checkpoint.every_steps=1"}, 2);
  killed.fault = "kill@rank=0,step=7,point=reduce,file=" + job.path("fired");
  EXPECT_EQ(job.train(killed).code, 137);
  EXPECT_EQ(injections(job.path("fired")), 1);
  const ProcessResult result = job.train(with({"checkpoint.every_steps=1"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const auto then = job.floats(4), end = job.floats(8);
  EXPECT_NE(end.at("model/first.weight"), then.at("model/first.weight"));
  EXPECT_EQ(end.at("model/third.weight"), then.at("model/third.weight"));
  EXPECT_EQ(end.at("optimizer/step/first.weight").at(0), 4);
  EXPECT_EQ(end.at("optimizer/step/second.weight").at(0), 8);
  EXPECT_FALSE(end.contains("optimizer/exp_avg/third.weight"));

  const Job undisturbed(before);
  ASSERT_EQ(undisturbed.train(with()).code, 0);
  write_file(undisturbed.path("config.yaml"), after);
  ASSERT_EQ(undisturbed.train(with({allow})).code, 0);
  EXPECT_EQ(job.state_hash(), undisturbed.state_hash());
}

TEST(Unused, ParametersEndInOneStateAtEveryWorldSizeAndAfterEveryKill) {
  const std::string of = config("{type: branches}", kAdamW, 10);
  const std::string each = "checkpoint.every_steps=1";
  const Job alone(of);
  ASSERT_EQ(alone.train(with({each})).code, 0);
  for (const int ranks : {1, 2, 3}) {
    SCOPED_TRACE(ranks);
    const Job job(of);
    const std::string fired = job.path("fired");
    Start killed = with({each}, ranks);
    killed.fault = "kill@rank=0,step=7,point=reduce,file=" + fired;
    EXPECT_EQ(job.train(killed).code, 137);
    EXPECT_EQ(injections(fired), 1);
    const ProcessResult result = job.train(with({each}, 4 - ranks));
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(job.state_hash(), alone.state_hash());
  }
  // The steps the test is about really differ.
  const auto end = alone.floats(10);
  EXPECT_EQ(end.at("optimizer/step/head.weight").at(0), 10);
  EXPECT_EQ(end.at("optimizer/step/late").at(0), 6);
  EXPECT_EQ(end.at("optimizer/step/never").at(0), 0);
  EXPECT_THAT(end.at("model/never"), ::testing::Each(1.0F));
  EXPECT_LT(end.at("optimizer/step/left.weight").at(0) + end.at("optimizer/step/right.weight").at(0), 20);
}

}  // namespace
}  // namespace lockstep::testing
