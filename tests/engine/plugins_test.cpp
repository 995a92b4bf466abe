// SPDX-License-Identifier: Apache-2.0
// A schedule, an optimizer and hooks of the program's own (models/parts.h), and metrics in training.
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "job/job.h"

namespace lockstep::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kConfig = R"(version: 1
run: {name: job, dir: run, seed: 7}
model: {type: mlp, inputs: 8, hidden: [16], outputs: 4}
data: {type: synthetic, samples: 96, holdout_every: 4}
train: {steps: 8, global_batch: 24, micro_batch: 4, eval_every: 4}
optim: {lr: 1e-2}
checkpoint: {every_steps: 4, keep_last: 1000}
log: {every_steps: 1}
)";

Start with(const std::vector<std::string>& overrides = {}, int ranks = 1) {
  return {.ranks = ranks,
          .launcher = ranks == 1 ? Launcher::kNone : Launcher::kMpirun,
          .overrides = overrides,
          .binary = LOCKSTEP_ENGINE_MODELS};
}

const std::vector<std::string> kOwn = {"optim.type=heavy_ball", "optim.params={momentum: 0.9}",
                                       "schedule.type=inverse_sqrt", "schedule.params={scale: 2}",
                                       "optim.groups=[{match: [\"*.bias\"], weight_decay: 0, lr: 5e-3}]"};

TEST(OwnParts, EndInOneStateAtEveryWorldSizeAndAfterAKill) {
  const Job alone(kConfig);
  ASSERT_EQ(alone.train(with(kOwn)).code, 0);
  for (const int ranks : {2, 3}) {
    SCOPED_TRACE(ranks);
    const Job job(kConfig);
    Start killed = with(kOwn, ranks);
    killed.fault = "kill@rank=1,step=7,point=reduce,file=" + job.path("fired");
    EXPECT_EQ(job.train(killed).code, 137);
    EXPECT_EQ(injections(job.path("fired")), 1);
    const ProcessResult result = job.train(with(kOwn, 4 - ranks));
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(job.state_hash(), alone.state_hash());
  }
  EXPECT_TRUE(alone.floats(8).contains("optimizer/velocity/layers.0.weight"));
  EXPECT_EQ(alone.history().at(4).at("lr"), 1e-2 * 2 / std::sqrt(4.0));
}

TEST(OwnOptimizer, ThatIsSgdWithMomentumEndsWhereSgdDoes) {
  const Job own(kConfig), built_in(kConfig);
  ASSERT_EQ(
      own.train(with({"optim.type=heavy_ball", "optim.params={momentum: 0.9}", "optim.weight_decay=0.1"}, 2))
          .code,
      0);
  ASSERT_EQ(built_in.train(with({"optim.type=sgd", "optim.momentum=0.9", "optim.weight_decay=0.1"})).code, 0);
  const auto ours = own.floats(8), theirs = built_in.floats(8);
  for (const char* name : {"model/layers.0.weight", "model/layers.1.bias"})
    for (std::size_t i = 0; i < theirs.at(name).size(); ++i)
      EXPECT_NEAR(ours.at(name)[i], theirs.at(name)[i], 1e-6) << name << i;
}

TEST(OwnSchedule, ThatIsTheLineEndsInTheStateOfTheLine) {
  const Job own(kConfig), built_in(kConfig);
  ASSERT_EQ(own.train(with({"schedule.type=line", "schedule.warmup_steps=2"})).code, 0);
  ASSERT_EQ(built_in.train(with({"schedule.type=linear", "schedule.warmup_steps=2"})).code, 0);
  EXPECT_EQ(own.state_hash(), built_in.state_hash());
}

TEST(OwnParts, HaveNoKeysOfTheBuiltInOnesAndTheBuiltInNoneOfTheirs) {
  const Job job(kConfig);
  const ProcessResult betas = job.train(with({"optim.type=heavy_ball", "optim.betas=[0.1, 0.2]"}));
  EXPECT_EQ(betas.code, 78);
  EXPECT_THAT(betas.err, HasSubstr("optim.betas: has no effect with optim.type: heavy_ball"));
  const ProcessResult params = job.train(with({"schedule.params={scale: 2}"}));
  EXPECT_EQ(params.code, 78);
  EXPECT_THAT(params.err, HasSubstr("schedule.params: has no effect with schedule.type: constant"));
  const ProcessResult unknown = job.train(with({"optim.type=heavy_bal"}));
  EXPECT_EQ(unknown.code, 78);
  EXPECT_THAT(unknown.err, HasSubstr("sgd, adam, adamw, heavy_ball"));
}

TEST(OwnParts, ThatGoWrongEndEveryRankWithTheirNames) {
  const Job job(kConfig);
  const ProcessResult negative =
      job.train(with({"schedule.type=inverse_sqrt", "schedule.params={scale: -1}"}, 2));
  EXPECT_EQ(negative.code, 78) << negative.err;
  EXPECT_THAT(negative.err, HasSubstr("schedule 'inverse_sqrt' gives a learning rate of -"));
  const ProcessResult replaced = job.train(with({"optim.type=replacing"}, 2));
  EXPECT_EQ(replaced.code, 70) << replaced.err;
  EXPECT_THAT(replaced.err, HasSubstr("optimizer 'replacing', update 1: it puts another tensor"));
}

std::vector<std::string> told(const Job& job, int rank) {
  std::ifstream file(job.path("hooks." + std::to_string(rank)));
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

TEST(Hooks, AreCalledOnEveryRankAtEpochsEvaluationsAndCheckpoints) {
  const Job job(kConfig);
  Start start = with({"checkpoint.async=false"}, 2);
  start.before = {"env", "HOOKS_FILE=" + job.path("hooks")};
  ASSERT_EQ(job.train(start).code, 0);
  // 72 samples: three steps an epoch.
  for (const int rank : {0, 1})
    EXPECT_THAT(told(job, rank), ElementsAre("epoch 0 after 0", "epoch 1 after 3", "evaluated 4",
                                             "saved step-00000004 after 4", "epoch 2 after 6",
                                             "saved step-00000008 after 8", "evaluated 8"))
        << rank;
  start.overrides.push_back("train.steps=10");
  ASSERT_EQ(job.train(start).code, 0);
  const std::vector<std::string> all = told(job, 1);
  ASSERT_GE(all.size(), 7u);
  EXPECT_THAT(std::vector(all.begin() + 7, all.end()),
              ElementsAre("epoch 3 after 9", "saved step-00000010 after 10", "evaluated 10"));
}

TEST(Hooks, ThatThrowOnOneRankEndAllWith70) {
  const Job job(kConfig);
  Start start = with({}, 2);
  start.before = {"env", "HOOKS_FILE=" + job.path("hooks"), "HOOKS_THROW=1"};
  const ProcessResult result = job.train(start);
  EXPECT_EQ(result.code, 70) << result.err;
  EXPECT_THAT(result.err, HasSubstr("hook evaluated, after step 4: "));
  EXPECT_THAT(result.err, HasSubstr("not today"));
}

TEST(TrainMetrics, AreTheSameAtEveryWorldSizeAndChangeNoBit) {
  const Job without(kConfig);
  ASSERT_EQ(without.train(with()).code, 0);
  EXPECT_FALSE(without.history().at(3).contains("train_accuracy"));
  std::vector<double> accuracy;
  for (const int ranks : {1, 2, 3}) {
    SCOPED_TRACE(ranks);
    const Job job(kConfig);
    ASSERT_EQ(job.train(with({"train.metrics=true"}, ranks)).code, 0);
    EXPECT_EQ(job.state_hash(), without.state_hash());
    std::vector<double> mine;
    for (const auto& [step, line] : job.history()) mine.push_back(line.at("train_accuracy"));
    EXPECT_EQ(mine.size(), 8u);
    if (accuracy.empty()) accuracy = mine;
    EXPECT_EQ(mine, accuracy);
    for (const double value : mine) EXPECT_NEAR(value * 24, std::round(value * 24), 1e-9) << "of 24 samples";
  }
}

}  // namespace
}  // namespace lockstep::testing
