// SPDX-License-Identifier: Apache-2.0
// F4, F5, F7: a rank that is stopped, hangs, or is gone without a word.
#include <gmock/gmock.h>
#include <signal.h>

#include <thread>

#include "job/job.h"

namespace lockstep::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using Seconds = std::chrono::duration<double>;

constexpr double kLimit = 2;

// Long enough beside the limit that a loaded machine does not reach it, short enough for a test.
std::vector<std::string> watched() {
  return {"watch.limit_s=2"};
}

std::string log_of(const Job& job, int rank) {
  std::string text;
  for (const std::string& line : lines_of(job.run() + "/log/rank-0000" + std::to_string(rank) + ".log"))
    text += line + "\n";
  return text;
}

// What a hang leaves for the person who looks in the morning.
void expect_named(const Job& job, int rank) {
  const std::vector<Json> hangs = job.events("hang");
  ASSERT_FALSE(hangs.empty());
  EXPECT_THAT(hangs[0].at("cause").get<std::string>(), HasSubstr("rank " + std::to_string(rank) + " ("));
  EXPECT_EQ(hangs[0].at("ranks"), rank);
  const int seen_by = hangs[0].at("seen_by");
  const std::string stack = "stack_of_rank_" + std::to_string(seen_by);
  EXPECT_THAT(hangs[0].at(stack).get<std::string>(), HasSubstr("lockstep::"));
  EXPECT_THAT(log_of(job, seen_by), HasSubstr("stacks of all threads"));
  EXPECT_THAT(log_of(job, seen_by), HasSubstr("the last collectives"));
}

struct Hang {
  const char* name;
  const char* action;
  const char* point;
  int rank;
  int step;

  friend void PrintTo(const Hang& one, std::ostream* out) { *out << one.name; }
};

class HangAt : public ::testing::TestWithParam<Hang> {};

TEST_P(HangAt, EndsAllRanksWithinTheLimitAndTheSupervisorGoesOnToTheSameEnd) {
  const Hang& hang = GetParam();
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const std::string plan = std::string(hang.action) + "@rank=" + std::to_string(hang.rank) +
                           ",step=" + std::to_string(hang.step) + ",point=" + hang.point + ",file=" + fired;
  Start start{.ranks = 3, .launcher = Launcher::kSupervisor, .fault = plan, .overrides = watched()};
  Process process(job.command(start), job.options(start));
  ASSERT_TRUE(wait_until([&] { return injections(fired) == 1; }));
  const auto hung = std::chrono::steady_clock::now();
  ASSERT_TRUE(wait_until([&] { return !job.events("hang").empty(); }));
  EXPECT_LE(Seconds(std::chrono::steady_clock::now() - hung).count(), kLimit + 10);
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(injections(fired), 1);
  expect_named(job, hang.rank);
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
  EXPECT_TRUE(job.all_gone_within(std::chrono::seconds(10)));
}

INSTANTIATE_TEST_SUITE_P(F4, HangAt,
                         ::testing::Values(Hang{"StoppedInStartUp", "stop", "startup", 1, 0},
                                           Hang{"RootStoppedInStartUp", "stop", "startup", 0, 0},
                                           Hang{"StoppedInData", "stop", "data", 2, 8},
                                           Hang{"StoppedInForward", "stop", "micro_batch", 1, 8},
                                           Hang{"RootStoppedInForward", "stop", "micro_batch", 0, 8},
                                           Hang{"StoppedInExchange", "stop", "reduce", 1, 8},
                                           Hang{"RootStoppedInExchange", "stop", "reduce", 0, 8},
                                           Hang{"RootStoppedInSave", "stop", "ckpt.after_shard", 0, 6},
                                           Hang{"DataNeverAnswers", "hang", "data", 1, 8},
                                           Hang{"RootDataNeverAnswers", "hang", "data", 0, 8},
                                           Hang{"DeadlockInUserCode", "hang", "micro_batch", 2, 8}),
                         [](const auto& info) { return info.param.name; });

// The rank itself waits for its thread, outside of any collective; the others wait inside one.
class HangOfAThreadThatSendsBuckets : public ::testing::TestWithParam<bool> {};

TEST_P(HangOfAThreadThatSendsBuckets, EndsAllRanksWith76AndIsNamed) {
  const bool two_hosts = GetParam();
  if (two_hosts && !no_hosts().empty()) GTEST_SKIP() << no_hosts();
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  Start start{.ranks = 3, .fault = "hang@rank=1,step=5,point=bucket,file=" + fired, .overrides = watched()};
  for (const char* key : {"dist.overlap=on", "dist.bucket_mb=0.001"}) start.overrides.push_back(key);
  two_hosts ? start.on_two_hosts() : start.overrides.push_back("dist.shared_memory=false");
  const ProcessResult result = job.train(start);
  EXPECT_EQ(result.code, 76) << result.err;
  EXPECT_EQ(injections(fired), 1);
  expect_named(job, 1);
  EXPECT_TRUE(job.all_gone_within(std::chrono::seconds(2)));
}

INSTANTIATE_TEST_SUITE_P(F5, HangOfAThreadThatSendsBuckets, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "OnTwoHosts" : "ByMessages"; });

TEST(Hang, EveryOtherRankLeavesWith76UnderMpirunAloneAndNoneIsLeft) {
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const ProcessResult result =
      job.train({.ranks = 3, .fault = "stop@rank=1,step=5,point=data,file=" + fired, .overrides = watched()});
  // The stopped one cannot leave and is ended by its neighbours; the launcher returns the first it sees.
  EXPECT_THAT(result.code, AnyOf(76, 137)) << result.err;
  EXPECT_EQ(injections(fired), 1);
  EXPECT_TRUE(job.all_gone_within(std::chrono::seconds(2)));
  EXPECT_THAT(result.err, HasSubstr("lockstep: error: rank 1 ("));
  for (const int rank : {0, 2}) EXPECT_THAT(log_of(job, rank), HasSubstr("stacks of all threads"));
}

TEST(Hang, OfTheOnlyRankEndsWith76) {
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const ProcessResult result = job.train(
      {.launcher = Launcher::kNone, .fault = "hang@step=5,point=data,file=" + fired, .overrides = watched()});
  EXPECT_EQ(result.code, 76) << result.err;
  EXPECT_EQ(injections(fired), 1);
  EXPECT_THAT(result.err, HasSubstr("is in data for"));
  EXPECT_THAT(log_of(job, 0), HasSubstr("Loader::prefetch"));
}

TEST(Hang, OfRanksThatCallDifferentCollectivesNamesBoth) {
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const ProcessResult result = job.train(
      {.ranks = 2, .fault = "skip@rank=1,step=6,point=save.agree,file=" + fired, .overrides = watched()});
  EXPECT_EQ(result.code, 76) << result.err;
  EXPECT_EQ(injections(fired), 1);
  const std::vector<Json> hangs = job.events("hang");
  ASSERT_EQ(hangs.size(), 1u);
  const std::string cause = hangs[0].at("cause");
  EXPECT_THAT(cause, HasSubstr("the ranks call different collectives"));
  EXPECT_THAT(cause, HasSubstr("waits in all_gather"));
  EXPECT_THAT(cause, HasSubstr("waits in all_reduce"));
}

TEST(Storage, ThatHangsIsNamedAndTheRunGoesOnToTheSameEnd) {
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const ProcessResult result = job.train({.ranks = 2,
                                          .fault = "slow@rank=0,step=6,point=ckpt.after_shard,file=" + fired,
                                          .overrides = watched()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(injections(fired), 1);
  const std::vector<Json> slow = job.events("storage_slow");
  ASSERT_FALSE(slow.empty());
  EXPECT_EQ(slow[0].at("rank"), 0);
  EXPECT_EQ(slow[0].at("phase"), "save");
  EXPECT_TRUE(job.events("hang").empty());
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
}

TEST(WholeJobStopped, GoesOnWhenItIsContinued) {
  const Job job(mlp_config());
  Start start{.ranks = 2, .overrides = watched()};
  start.overrides.push_back("train.steps=1500");
  start.overrides.push_back("checkpoint.every_steps=1000");
  start.overrides.push_back("train.eval_every=500");
  start.overrides.push_back("log.every_steps=1");
  Process process(job.command(start), job.options(start));
  ASSERT_TRUE(wait_until([&] { return job.metrics().size() > 5; }));
  const std::vector<pid_t> all = job.processes();
  for (const pid_t one : all) ::kill(one, SIGSTOP);
  std::this_thread::sleep_for(std::chrono::duration<double>(2 * kLimit));
  for (const pid_t one : all) ::kill(one, SIGCONT);
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(job.events("hang").empty());
}

struct Death {
  const char* name;
  const char* action;
  const char* point;
  int rank;

  friend void PrintTo(const Death& one, std::ostream* out) { *out << one.name; }
};

class GoneAt : public ::testing::TestWithParam<Death> {};

// No signal, no message: under a launcher that notices nothing the others would wait for ever.
TEST_P(GoneAt, IsNoticedByTheOthersAtOnce) {
  const Death& death = GetParam();
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const Start start{.ranks = 3,
                    .fault = std::string(death.action) + "@step=8,point=" + death.point +
                             ",rank=" + std::to_string(death.rank) + ",file=" + fired};
  Process process(job.command(start), job.options(start));
  ASSERT_TRUE(wait_until([&] { return injections(fired) == 1; }));
  const auto gone = std::chrono::steady_clock::now();
  EXPECT_TRUE(wait_until([&] { return !job.events("rank_lost").empty(); }));
  EXPECT_LE(Seconds(std::chrono::steady_clock::now() - gone).count(), 1.0);
  process.wait();
  EXPECT_EQ(job.events("rank_lost").at(0).at("ranks"), death.rank);
  EXPECT_TRUE(job.all_gone_within(std::chrono::seconds(1)));
}

INSTANTIATE_TEST_SUITE_P(F1, GoneAt,
                         ::testing::Values(Death{"KilledInForward", "kill", "micro_batch", 1},
                                           Death{"RootKilledInForward", "kill", "micro_batch", 0},
                                           Death{"EndedSilently", "exit", "reduce", 2},
                                           Death{"RootEndedSilently", "exit", "reduce", 0}),
                         [](const auto& info) { return info.param.name; });

TEST(Straggler, IsNamedWithItsRatio) {
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  Start start{.ranks = 2,
              .fault = "note@rank=1,point=data,file=" + fired + ";lag@rank=1,point=data",
              .overrides = watched()};
  start.overrides.push_back("train.steps=160");
  const ProcessResult result = job.train(start);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(injections(fired), 160);
  const std::vector<Json> named = job.events("straggler");
  ASSERT_FALSE(named.empty());
  EXPECT_EQ(named[0].at("rank"), 1);
  EXPECT_GT(named[0].at("ratio"), 1.5);
  EXPECT_GT(job.metrics().back().at("straggler_ratio"), 1.5);
  const ProcessResult status = run({LOCKSTEP_BINARY, "status", job.run()});
  EXPECT_NE(status.out.find("straggler   rank 1 on "), std::string::npos) << status.out;
}

}  // namespace
}  // namespace lockstep::testing
