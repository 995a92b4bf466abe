// SPDX-License-Identifier: Apache-2.0
// optim.groups in a run: at any number of ranks, killed, resumed with other groups, frozen.
#include <gmock/gmock.h>

#include "job/job.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

const std::string kConfig = R"(version: 1
run: {name: job, dir: run, seed: 7}
model: {type: mlp, inputs: 8, hidden: [16], outputs: 4}
data: {type: synthetic, samples: 96}
train: {steps: 8, global_batch: 24, micro_batch: 4}
optim:
  lr: 1e-2
  weight_decay: 0.3
  groups:
    - match: ["*.bias"]
      weight_decay: 0
    - {match: [layers.1.weight], lr: 2e-3}
schedule: {type: cosine, warmup_steps: 2}
checkpoint: {every_steps: 4, keep_last: 1000}
log: {every_steps: 1}
)";

Start with(const std::vector<std::string>& overrides = {}, int ranks = 1) {
  return {
      .ranks = ranks, .launcher = ranks == 1 ? Launcher::kNone : Launcher::kMpirun, .overrides = overrides};
}

std::string hash_with(const std::vector<std::string>& overrides) {
  const Job job(kConfig);
  const ProcessResult result = job.train(with(overrides));
  EXPECT_EQ(result.code, 0) << result.err;
  return job.state_hash();
}

TEST(Groups, EndInOneStateAtEveryWorldSizeAndAfterAKill) {
  const std::string alone = hash_with({});
  EXPECT_NE(alone, hash_with({"optim.groups=null"}));
  for (const int ranks : {2, 3}) {
    SCOPED_TRACE(ranks);
    const Job job(kConfig);
    Start killed = with({}, ranks);
    killed.fault = "kill@rank=1,step=7,point=reduce,file=" + job.path("fired");
    EXPECT_EQ(job.train(killed).code, 137);
    EXPECT_EQ(injections(job.path("fired")), 1);
    const ProcessResult result = job.train(with({}, 4 - ranks));
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(job.state_hash(), alone);
  }
}

TEST(Groups, ThatSayWhatTheSectionSaysEndInTheStateWithoutThem) {
  EXPECT_EQ(hash_with({"optim.groups=[{match: [\"*.bias\"], weight_decay: 0.3, lr: 1e-2}]"}),
            hash_with({"optim.groups=null"}));
}

TEST(Groups, MayChangeOnResumeAndTheRunSaysSo) {
  const Job job(kConfig);
  ASSERT_EQ(job.train(with({"train.steps=4"})).code, 0);
  const ProcessResult result = job.train(with({"optim.groups=[{match: [\"*.bias\"], lr: 0.5}]"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr(R"(optim.groups: [{"match": ["*.bias"], "weight_decay": 0}, )"));
  EXPECT_THAT(result.err, HasSubstr(R"(-> [{"lr": 0.5, "match": ["*.bias"]}])"));
}

TEST(Groups, ThatAreFrozenKeepTheirBytesAndHaveNoOptimizerState) {
  const std::string frozen = "optim.groups=[{match: [layers.0.*], frozen: true}]";
  const Job job(kConfig);
  ASSERT_EQ(job.train(with({frozen}, 2)).code, 0);
  const auto then = job.floats(4), end = job.floats(8);
  EXPECT_EQ(then.at("model/layers.0.weight"), end.at("model/layers.0.weight"));
  EXPECT_NE(then.at("model/layers.1.weight"), end.at("model/layers.1.weight"));
  EXPECT_FALSE(end.contains("optimizer/exp_avg/layers.0.weight"));
  EXPECT_TRUE(end.contains("optimizer/exp_avg/layers.1.weight"));

  const ProcessResult refused = job.train(with({"optim.groups=null", "train.steps=12"}));
  EXPECT_EQ(refused.code, 78) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("layers.0.weight, layers.0.bias became trainable"));
  const ProcessResult thawed =
      job.train(with({"optim.groups=null", "train.steps=12", "resume.allow_changes=[model.frozen]"}));
  ASSERT_EQ(thawed.code, 0) << thawed.err;
  EXPECT_NE(job.floats(12).at("model/layers.0.weight"), end.at("model/layers.0.weight"));
}

TEST(Groups, OfAMistakeEndEveryRankWith78AndOneSentence) {
  const Job job(kConfig);
  const ProcessResult nothing = job.train(with({"optim.groups=[{match: [\"*.ln_*\"], lr: 1}]"}, 2));
  EXPECT_EQ(nothing.code, 78) << nothing.err;
  EXPECT_THAT(nothing.err, HasSubstr("'*.ln_*' of group 0 matches none of the model's parameters"));
  const ProcessResult two =
      job.train(with({"optim.groups=[{match: [\"*.bias\"], lr: 1}, {match: [\"layers.1.*\"], lr: 2}]"}, 2));
  EXPECT_EQ(two.code, 78) << two.err;
  EXPECT_THAT(two.err, HasSubstr("parameter layers.1.bias is matched by groups 0 and 1"));
  const ProcessResult all = job.train(with({"optim.groups=[{match: [\"*\"], frozen: true}]"}));
  EXPECT_EQ(all.code, 78) << all.err;
  EXPECT_THAT(all.err, HasSubstr("none of the model's parameters has requires_grad"));
  const ProcessResult key = job.train(with({"optim.groups=[{match: [\"*\"], lrr: 1}]"}));
  EXPECT_EQ(key.code, 78) << key.err;
  EXPECT_THAT(key.err, HasSubstr("optim.groups.lrr: unknown key. Did you mean optim.groups.lr?"));
}

}  // namespace
}  // namespace lockstep::testing
