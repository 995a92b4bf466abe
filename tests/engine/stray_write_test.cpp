// SPDX-License-Identifier: Apache-2.0
// A parameter of which the ranks of a host have one copy, changed by a model.
#include <gmock/gmock.h>

#include <csignal>

#include "job/job.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

class StrayWrite : public ::testing::TestWithParam<const char*> {
 protected:
  StrayWrite()
      : job_(R"(version: 1
run: {name: job, dir: run, seed: 7}
model: {type: scribbler, params: {past_torch: )" +
             std::string(GetParam()) + R"(}}
data: {type: synthetic, samples: 96, input_shape: [8], classes: 4}
train: {steps: 8, global_batch: 24, micro_batch: 6, check_model: false}
checkpoint: {every_steps: 2}
)") {}

  ProcessResult train(const std::vector<std::string>& overrides = {}) const {
    return job_.train({.ranks = 2,
                       .launcher = Launcher::kMpirun,
                       .overrides = overrides,
                       .binary = LOCKSTEP_ENGINE_MODELS});
  }

  Job job_;
};

INSTANTIATE_TEST_SUITE_P(PastTorch, StrayWrite, ::testing::Values("yes", "no"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(StrayWrite, IsAnErrorThatNamesTheParameter) {
  const ProcessResult result = train();
  EXPECT_EQ(result.code, 78) << result.err;
  EXPECT_THAT(result.err, HasSubstr("parameter head.bias was changed in place between two updates"));
  EXPECT_THAT(result.err, HasSubstr("dist.shared_memory: false"));
  // Nothing that was made with it was saved; what was before it may not have been on disk yet.
  EXPECT_LE(job_.checkpoint_names().size(), 1u);
}

// Where each rank has a copy, all make the same change, and what is changed past LibTorch nobody sees; but
// for a save that copies the state meanwhile, so there is none.
TEST_P(StrayWrite, OfEachRankToItsOwnCopyIsRefusedWhereVersionsCountIt) {
  const ProcessResult result = train({"dist.shared_memory=false", "checkpoint.every_steps=100"});
  if (std::string(GetParam()) == "yes") {
    EXPECT_EQ(result.code, 0) << result.err;
    return;
  }
  EXPECT_EQ(result.code, 78);
  EXPECT_THAT(result.err, HasSubstr("parameter head.bias was changed in place by the model"));
}

// What looks at such writes leaves every other SIGSEGV to whom it is meant for: the rank ends.
TEST(SealedParameters, LetASegmentationFaultThatIsSentEndTheRank) {
  const Job job(mlp_config());
  const ProcessResult result =
      job.train({.ranks = 2, .launcher = Launcher::kMpirun, .fault = "segv@rank=1,step=4"});
  EXPECT_EQ(result.code, 128 + SIGSEGV) << result.err;
}

}  // namespace
}  // namespace lockstep::testing
