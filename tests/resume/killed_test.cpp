// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "job/job.h"
#include "support/draw.h"

namespace lockstep::testing {
namespace {

// What the newest checkpoint is when a run of mlp_config() is killed in this step: saves come every third
// step, at best ones, and at the last.
int resumed_step(const Json& event) {
  return event.at("step");
}

// Each later life goes on at the step after the checkpoint it names, and writes no line before that. A save
// beside the training may be committed by a life that ends before it can announce that.
void expect_real_resumes(const Job& job, bool announced = true) {
  for (const Json& event : job.events("resumed")) {
    int first_line = 1 << 30;
    for (const Json& line : job.metrics())
      if (line.at("attempt") == event.at("attempt"))
        first_line = std::min(first_line, line.at("step").get<int>());
    EXPECT_EQ(first_line, resumed_step(event) + 1) << event;
    const std::vector<Json> saved = job.events("checkpoint_saved");
    EXPECT_TRUE(!announced || std::any_of(saved.begin(), saved.end(), [&](const Json& save) {
      return save.at("step") == event.at("step") && save.at("state_hash") == event.at("state_hash");
    })) << event;
  }
}

// Saves before the next step, or beside it and by both ranks.
class RandomlyKilledRun : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(RandomlyKilledRun, EndsAsTheUninterruptedOne) {
  Draw draw;
  SCOPED_TRACE("LOCKSTEP_TEST_SEED=" + std::to_string(draw.seed()));
  RecordProperty("seed", std::to_string(draw.seed()));
  const Job uninterrupted(mlp_config());
  ASSERT_EQ(uninterrupted.train({.launcher = Launcher::kNone}).code, 0);

  const Job job(mlp_config());
  // One kill in each third of the run, in whatever part of the step and of the job.
  const char* const points[] = {"step", "reduce"};
  std::string plan;
  for (int life = 0; life < 3; ++life) {
    const int step = 1 + 4 * life + static_cast<int>(draw.below(4));
    plan += (plan.empty() ? "" : ";") + std::string("kill@rank=") + std::to_string(draw.below(2)) +
            ",step=" + std::to_string(step) + ",point=" + points[draw.below(2)] +
            ",file=" + job.path("fired." + std::to_string(life));
  }
  SCOPED_TRACE(plan);
  const ProcessResult result =
      job.train({.ranks = 2, .launcher = Launcher::kSupervisor, .fault = plan, .overrides = GetParam()});
  ASSERT_EQ(result.code, 0) << result.err;
  for (int life = 0; life < 3; ++life) EXPECT_EQ(injections(job.path("fired." + std::to_string(life))), 1);
  EXPECT_EQ(job.metrics().back().at("attempt"), 4);
  EXPECT_EQ(job.state_hash(), uninterrupted.state_hash());
  EXPECT_EQ(job.history(), uninterrupted.history());
  EXPECT_EQ(job.history().size(), 12u);
  expect_real_resumes(job, /*announced=*/GetParam().front() == "checkpoint.async=false");
}

INSTANTIATE_TEST_SUITE_P(Saves, RandomlyKilledRun,
                         ::testing::Values(std::vector<std::string>{"checkpoint.async=false"},
                                           std::vector<std::string>{"checkpoint.async=true",
                                                                    "checkpoint.layout=sharded"}),
                         [](const auto& info) { return info.index == 0 ? "Synchronous" : "ShardedBeside"; });

TEST(KilledRun, ResumesAtTheNextEpochWhenTheLastOneWasComplete) {
  const Job uninterrupted(mlp_config()), job(mlp_config());
  const std::vector<std::string> saves = {"checkpoint.every_steps=5"};
  ASSERT_EQ(uninterrupted.train({.launcher = Launcher::kNone, .overrides = saves}).code, 0);
  // 240 samples are 10 steps an epoch; the first step of the second epoch dies.
  const std::string fired = job.path("fired");
  const ProcessResult result = job.train({.ranks = 2,
                                          .launcher = Launcher::kSupervisor,
                                          .fault = "kill@rank=1,step=11,file=" + fired,
                                          .overrides = saves});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(injections(fired), 1);
  const std::vector<Json> resumed = job.events("resumed");
  ASSERT_EQ(resumed.size(), 1u);
  EXPECT_EQ(resumed[0].at("step"), 10);
  EXPECT_EQ(job.history(), uninterrupted.history());
  EXPECT_EQ(job.history().at(10).at("epoch"), 0);
  EXPECT_EQ(job.history().at(11).at("epoch"), 1);
  EXPECT_EQ(job.state_hash(), uninterrupted.state_hash());
  expect_real_resumes(job);
}

TEST(KilledRun, EndsTornLinesBeforeItAppends) {
  const Job uninterrupted(mlp_config()), job(mlp_config());
  ASSERT_EQ(uninterrupted.train({.launcher = Launcher::kNone}).code, 0);
  const std::string fired = job.path("fired");
  ASSERT_EQ(job.train({.launcher = Launcher::kNone, .fault = "kill@step=8,file=" + fired}).code, 137);
  ASSERT_EQ(injections(fired), 1);
  for (const char* file : {"/metrics.jsonl", "/events.jsonl"})
    write_file(job.run() + file, read_file(job.run() + file) + R"({"step":7,"lo)");
  ASSERT_EQ(job.train({.launcher = Launcher::kNone}).code, 0);
  EXPECT_EQ(job.history(), uninterrupted.history());
  EXPECT_EQ(job.events("resumed").size(), 1u);
}

TEST(KilledRun, BeforeItsFirstCommitStartsAnew) {
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const ProcessResult result =
      job.train({.ranks = 2, .launcher = Launcher::kSupervisor, .fault = "kill@rank=1,step=2,file=" + fired});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(injections(fired), 1);
  EXPECT_EQ(job.events("resumed").size(), 0u);
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
}

TEST(FinishedRun, IsNotTrainedAgain) {
  const Job job(mlp_config());
  ASSERT_EQ(job.train({.launcher = Launcher::kNone}).code, 0);
  const std::string hash = job.state_hash();
  ASSERT_EQ(job.train({.launcher = Launcher::kNone}).code, 0);
  EXPECT_EQ(job.state_hash(), hash);
  for (const Json& line : job.metrics()) EXPECT_EQ(line.at("attempt"), 1);
}

}  // namespace
}  // namespace lockstep::testing
