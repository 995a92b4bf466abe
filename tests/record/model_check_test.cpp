// SPDX-License-Identifier: Apache-2.0
#include "job/job.h"

namespace lockstep::testing {
namespace {

std::string config(const std::string& how) {
  return R"(version: 1
run: {name: job, dir: run, seed: 7}
model: {type: stray, params: {how: )" +
         how + R"(}}
data: {type: synthetic, samples: 96, input_shape: [8], classes: 4}
train: {steps: 4, global_batch: 24, micro_batch: 6}
optim: {type: sgd, lr: 1e-2}
checkpoint: {async: false, every_steps: 2}
log: {every_steps: 1}
)";
}

ProcessResult train(const Job& job, Start start) {
  start.binary = LOCKSTEP_RECORD_MODELS;
  return job.train(start);
}

class StrayState : public ::testing::TestWithParam<const char*> {};

// With several micro-batches a rank, and with one.
TEST_P(StrayState, EndsTheRunAtItsFirstStep) {
  for (const int ranks : {1, 4}) {
    const Job job(config(GetParam()));
    const ProcessResult result = train(job, {.ranks = ranks});
    EXPECT_EQ(result.code, 78) << result.err;
    for (const char* text :
         {"step 1: the model is not a function of", "register_buffer", "train.check_model"})
      EXPECT_NE(result.err.find(text), std::string::npos) << text << " in " << result.err;
    EXPECT_TRUE(job.checkpoint_names().empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Of, StrayState,
                         ::testing::Values("counter", "first", "third", "rand", "random_device", "generator",
                                           "cache", "clock", "buffer_by_hand"),
                         [](const auto& info) { return std::string(info.param); });

// With several micro-batches a rank the second one throws, before anything is computed again.
TEST(ModelCheck, NamesWhatTheModelThrowsWhenItIsComputedAgain) {
  const Job job(config("cache_shape"));
  const ProcessResult result = train(job, {.ranks = 4});
  EXPECT_EQ(result.code, 78) << result.err;
  EXPECT_NE(result.err.find("computed once more, throws"), std::string::npos) << result.err;
}

class HonestModel : public ::testing::TestWithParam<const char*> {};

TEST_P(HonestModel, PassesAndKeepsItsBits) {
  const Job checked(config(GetParam())), unchecked(config(GetParam()));
  const ProcessResult result = train(checked, {.ranks = 2});
  ASSERT_EQ(result.code, 0) << result.err;
  ASSERT_EQ(train(unchecked, {.launcher = Launcher::kNone, .overrides = {"train.check_model=false"}}).code,
            0);
  EXPECT_EQ(checked.state_hash(), unchecked.state_hash());
  EXPECT_EQ(checked.history(), unchecked.history());
}

INSTANTIATE_TEST_SUITE_P(With, HonestModel,
                         ::testing::Values("none", "dropout", "noise", "norm", "shared", "unused", "buffer",
                                           "writes_inputs"),
                         [](const auto& info) { return std::string(info.param); });

TEST(ModelCheck, IsTurnedOffByItsKey) {
  const Job job(config("counter"));
  EXPECT_EQ(train(job, {.launcher = Launcher::kNone, .overrides = {"train.check_model=false"}}).code, 0);
}

// The checkpoint says that the run was checked: a later life is not.
TEST(ModelCheck, IsMadeOnceARun) {
  const Job job(config("none"));
  ASSERT_EQ(train(job, {.launcher = Launcher::kNone, .overrides = {"train.steps=2"}}).code, 0);
  EXPECT_EQ(job.show(job.checkpoint(2)).at("extra").at("model_check").at("step"), 1);
  const std::vector<std::string> counter = {"model.params={how: counter}", "resume.allow_changes=[model]"};
  EXPECT_EQ(train(job, {.launcher = Launcher::kNone, .overrides = counter}).code, 0);
  EXPECT_EQ(job.show(job.checkpoint(4)).at("extra").at("model_check").at("step"), 1);
}

}  // namespace
}  // namespace lockstep::testing
