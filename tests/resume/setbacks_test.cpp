// SPDX-License-Identifier: Apache-2.0
#include "job/job.h"

namespace lockstep::testing {
namespace {

// Real ranks, one of which meets a NaN, and lives that end on the way.
class SetbackJob : public ::testing::TestWithParam<std::string> {
 protected:
  static Start start(Start base) {
    base.overrides = {"on_nan=" + GetParam()};
    if (GetParam() == "rollback")
      base.overrides.insert(base.overrides.end(), {"rollback.steps=3", "rollback.batches=2"});
    return base;
  }
  static std::string event() { return GetParam() == "skip" ? "step_skipped" : "rolled_back"; }
  // Once, on rank 0.
  static std::string nan_at(int step, const Job& job) {
    return "nan@point=loss,rank=0,step=" + std::to_string(step) + ",file=" + job.path("nan");
  }
};

TEST_P(SetbackJob, EndsAlikeOnOneTwoAndThreeRanks) {
  std::string alone;
  for (const int ranks : {1, 2, 3}) {
    const Job job(mlp_config());
    Start how = start({.ranks = ranks, .fault = nan_at(8, job)});
    // The last ones by messages, each with a part of the state.
    if (ranks == 3)
      how.overrides.insert(how.overrides.end(), {"dist.shared_memory=false", "optim.sharded=true"});
    const ProcessResult result = job.train(how);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(injections(job.path("nan")), 1);
    ASSERT_EQ(job.events(event()).size(), 1u);
    EXPECT_EQ(job.events(event())[0].at("step"), 8);
    EXPECT_TRUE(job.history().at(8).at("loss").is_null());
    if (ranks == 1) alone = job.state_hash();
    EXPECT_EQ(job.state_hash(), alone) << ranks;
  }
  EXPECT_NE(alone, reference_hash(mlp_config()));
}

// Where: as soon as it is recorded, and two steps behind it, before any checkpoint has it.
TEST_P(SetbackJob, KilledEndsAsTheOneThatWasNot) {
  const Job whole(mlp_config());
  ASSERT_EQ(whole.train(start({.ranks = 2, .fault = nan_at(7, whole)})).code, 0);
  ASSERT_EQ(injections(whole.path("nan")), 1);
  for (const std::string at : {"rank=0,point=setback.recorded", "rank=1,step=9"}) {
    const Job job(mlp_config());
    const std::string kill = "kill@" + at + ",file=" + job.path("kill");
    const ProcessResult result = job.train(
        start({.ranks = 2, .launcher = Launcher::kSupervisor, .fault = nan_at(7, job) + ";" + kill}));
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(injections(job.path("kill")), 1) << at;
    EXPECT_EQ(injections(job.path("nan")), 1) << at;
    EXPECT_EQ(job.state_hash(), whole.state_hash()) << at;
    EXPECT_EQ(job.history(), whole.history()) << at;
    EXPECT_EQ(job.metrics().back().at("attempt"), 2);
  }
}

INSTANTIATE_TEST_SUITE_P(Of, SetbackJob, ::testing::Values("skip", "rollback"),
                         [](const auto& info) { return info.param == "skip" ? "Skip" : "Rollback"; });

TEST(SetbackLimit, EndsWith93AndIsNotStartedAgain) {
  const Job job(mlp_config());
  const ProcessResult result = job.train({.ranks = 2,
                                          .launcher = Launcher::kSupervisor,
                                          .fault = "nan@point=loss,rank=1",
                                          .overrides = {"on_nan=skip"}});
  EXPECT_EQ(result.code, 93) << result.err;
  EXPECT_NE(result.err.find("the 10th bad step in a row"), std::string::npos) << result.err;
  EXPECT_EQ(job.metrics().back().at("attempt"), 1);
}

}  // namespace
}  // namespace lockstep::testing
