// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "job/job.h"

namespace lockstep::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// Each rank has a state of its own, which may differ from the others'.
std::string config_of_copies() {
  return mlp_config() + "dist: {shared_memory: false}\n";
}

// A bit flips in what one rank holds.
std::string flip(const std::string& point, int rank, int step, const std::string& file) {
  return "flip@point=replica." + point + ",rank=" + std::to_string(rank) + ",step=" + std::to_string(step) +
         (file.empty() ? "" : ",file=" + file);
}

class OneFlippedReplica : public ::testing::TestWithParam<const char*> {};

TEST_P(OneFlippedReplica, OfThreeRanksTheOddOneIsNamed) {
  const Job job(config_of_copies());
  const std::string fired = job.path("fired");
  const ProcessResult result = job.train({.ranks = 3, .fault = flip(GetParam(), 1, 5, fired)});
  EXPECT_EQ(result.code, 70);
  EXPECT_EQ(injections(fired), 1);
  EXPECT_THAT(result.err, HasSubstr("before step 5 the ranks hold different states"));
  EXPECT_THAT(result.err, HasSubstr(": rank 1 ("));
  EXPECT_THAT(result.err,
              HasSubstr("is unlike the other 2. No checkpoint has it; start again from that of step 4"));
  ASSERT_EQ(job.events("replicas_differ").size(), 1u);
  EXPECT_EQ(job.metrics().back().at("step"), 4);
  // The next life is none the worse for it.
  ASSERT_EQ(job.train({.ranks = 3}).code, 0);
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
}

INSTANTIATE_TEST_SUITE_P(Of, OneFlippedReplica, ::testing::Values("parameter", "slot"),
                         [](const auto& info) { return std::string(info.param); });

TEST(FlippedReplica, OfTwoRanksGoesBackAndThenTellsWhichWasWrong) {
  for (const int rank : {0, 1}) {
    const Job job(config_of_copies());
    const std::string fired = job.path("fired");
    const ProcessResult result = job.train(
        {.ranks = 2, .launcher = Launcher::kSupervisor, .fault = flip("parameter", rank, 8, fired)});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(injections(fired), 1);
    EXPECT_THAT(result.err, HasSubstr("there is no majority"));
    EXPECT_EQ(job.metrics().back().at("attempt"), 2);
    EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
    ASSERT_EQ(job.events("replicas_judged").size(), 1u);
    EXPECT_THAT(job.events("replicas_judged")[0].at("wrong_ranks").get<std::string>(),
                HasSubstr(std::to_string(rank) + " ("));
  }
}

TEST(FlippedReplica, ASecondTimeIsForGood) {
  const Job job(config_of_copies());
  const ProcessResult result =
      job.train({.ranks = 2, .launcher = Launcher::kSupervisor, .fault = flip("parameter", 1, 8, "")});
  EXPECT_EQ(result.code, 70) << result.err;
  EXPECT_EQ(job.events("replicas_differ").size(), 2u);
}

// Between the step's own look and the save.
class FlippedReplicaInASave : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(FlippedReplicaInASave, IsNeverCommitted) {
  const Job job(config_of_copies());
  const std::string fired = job.path("fired");
  const ProcessResult result =
      job.train({.ranks = 3, .fault = flip("save", 2, 6, fired), .overrides = GetParam()});
  EXPECT_EQ(result.code, 70);
  EXPECT_EQ(injections(fired), 1);
  EXPECT_THAT(result.err, HasSubstr("the ranks hold different states"));
  EXPECT_THAT(result.err, HasSubstr(": rank 2 ("));
  EXPECT_THAT(job.checkpoint_names(), Not(Contains("step-00000006")));
  EXPECT_THAT(job.checkpoint_names(), Contains("step-00000004"));
  EXPECT_EQ(job.leftovers(), 0);
}

std::string way_of(std::size_t index) {
  return index == 0 ? "Synchronous" : index == 1 ? "Beside" : "ShardedBeside";
}

INSTANTIATE_TEST_SUITE_P(Saves, FlippedReplicaInASave,
                         ::testing::Values(std::vector<std::string>{"checkpoint.async=false"},
                                           std::vector<std::string>{"checkpoint.async=true"},
                                           std::vector<std::string>{"checkpoint.async=true",
                                                                    "checkpoint.layout=sharded"}),
                         [](const auto& info) { return way_of(info.index); });

TEST(FlippedReplica, PassesWhereNobodyLooks) {
  const Job job(config_of_copies());
  const std::string fired = job.path("fired");
  const ProcessResult result = job.train(
      {.ranks = 3, .fault = flip("parameter", 1, 5, fired), .overrides = {"watch.replica_hash_every=0"}});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(injections(fired), 1);
}

}  // namespace
}  // namespace lockstep::testing
