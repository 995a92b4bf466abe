// SPDX-License-Identifier: Apache-2.0
#include "job/job.h"

namespace lockstep::testing {
namespace {

std::string config(const std::string& how) {
  return R"(version: 1
run: {name: job, dir: run, seed: 7}
model: {type: frozen_norm, params: {how: )" +
         how + R"(}}
data: {type: synthetic, samples: 240, holdout_every: 5, input_shape: [8], classes: 4}
train: {steps: 40, global_batch: 24, micro_batch: 6, eval_every: 8}
optim: {type: adamw, lr: 1e-2}
checkpoint: {async: false, every_steps: 12, keep_last: 9}
log: {every_steps: 1}
)";
}

ProcessResult train(const Job& job, Start start) {
  start.binary = LOCKSTEP_RECORD_MODELS;
  return job.train(start);
}

class FrozenNorm : public ::testing::TestWithParam<const char*> {};

// Evaluated every 8 steps, killed at step 30, gone on with from step 24.
TEST_P(FrozenNorm, StaysAsItsOwnerPutItThroughEvaluationsAndARestart) {
  const Job undisturbed(config(GetParam())), job(config(GetParam()));
  ASSERT_EQ(train(undisturbed, {.launcher = Launcher::kNone}).code, 0);
  const std::string fired = job.path("fired");
  EXPECT_NE(train(job, {.ranks = 2, .fault = "kill@rank=1,step=30,file=" + fired}).code, 0);
  ASSERT_EQ(injections(fired), 1);
  const ProcessResult second = train(job, {.ranks = 2});
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(job.events("resumed").at(0).at("step"), 24);
  EXPECT_EQ(job.state_hash(), undisturbed.state_hash());
  EXPECT_EQ(job.history(), undisturbed.history());
  const auto floats = job.floats(40);
  EXPECT_EQ(floats.at("model/kept.running_mean"), std::vector<float>(8, 0.5F)) << "it has not trained";
  EXPECT_NE(floats.at("model/trained.running_mean"), std::vector<float>(8, 0.0F)) << "this one has";
  const Json names = job.show(job.checkpoint(40)).at("eval_modules");
  EXPECT_EQ(names.front(), "kept");
  EXPECT_EQ(names.size(), std::string(GetParam()) == "shared" ? 2u : 1u);
}

INSTANTIATE_TEST_SUITE_P(By, FrozenNorm, ::testing::Values("constructor", "override", "shared"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace lockstep::testing
