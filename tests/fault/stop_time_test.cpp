// SPDX-License-Identifier: Apache-2.0
// F6 to F9: a stop request has a deadline, and a save a duration.
#include <signal.h>
#include <time.h>

#include "job/job.h"
#include "slow_disk.h"

namespace lockstep::testing {
namespace {

// So long that only a request ends it; the steps are short.
Start endless(Launcher launcher, std::vector<std::string> before = {}, std::vector<std::string> more = {}) {
  Start start{.ranks = 2,
              .launcher = launcher,
              .overrides = {"train.steps=1000000000", "schedule.type=constant", "train.eval_every=0",
                            "log.every_steps=1", "checkpoint.every_steps=1000000000"},
              .before = std::move(before)};
  start.overrides.insert(start.overrides.end(), more.begin(), more.end());
  return start;
}

bool is_training(const Job& job, std::size_t lines = 2) {
  return wait_until([&] { return lines_of(job.run() + "/metrics.jsonl").size() >= lines; });
}

bool has_event(const Job& job, const std::string& name, std::size_t count = 1) {
  return wait_until([&] { return job.events(name).size() >= count; });
}

bool says(const Process& process, const std::string& text) {
  return wait_until([&] { return process.err().find(text) != std::string::npos; });
}

// The ranks of a job under a launcher.
std::vector<pid_t> ranks_of(const Job& job, pid_t launcher) {
  std::vector<pid_t> ranks = job.processes();
  std::erase(ranks, launcher);
  return ranks;
}

// What Slurm sends each rank when it preempts without grace, and its batch script after it.
void send_burst(const std::vector<pid_t>& ranks) {
  for (const int number : {SIGTERM, SIGCONT, SIGTERM, SIGUSR1})
    for (const pid_t rank : ranks) ::kill(rank, number);
}

class Burst : public ::testing::TestWithParam<Launcher> {};

TEST_P(Burst, OfSlurmsFourSignalsIsOneRequestThatSaves) {
  const Job job(mlp_config());
  const Start start = endless(GetParam());
  Process process(job.command(start), job.options(start));
  ASSERT_TRUE(is_training(job));
  const bool alone = GetParam() == Launcher::kNone;
  send_burst(alone ? std::vector{process.pid()} : ranks_of(job, process.pid()));
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.code, 75) << result.err;
  ASSERT_EQ(job.events("stopped").size(), 1u);
  const int step = job.events("stopped")[0].at("step");
  EXPECT_TRUE(job.verifies(job.checkpoint(step)));
  EXPECT_NE(result.err.find("asked to stop, saves first"), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("asked to stop before"), std::string::npos) << result.err;
}

INSTANTIATE_TEST_SUITE_P(F7, Burst, ::testing::Values(Launcher::kNone, Launcher::kMpirun),
                         [](const auto& info) {
                           return std::string(info.param == Launcher::kNone ? "ToTheProcess" : "ToAllRanks");
                         });

TEST(Interrupts, TheSecondIsToldOfTheSaveAndTheThirdLeavesWithoutIt) {
  const Job job(mlp_config());
  const SlowDisk disk(job);
  const Start start = endless(Launcher::kNone, disk.frozen("/ckpt/"));
  Process process(job.command(start), job.options(start));
  ASSERT_TRUE(is_training(job));
  disk.freeze();
  process.signal(SIGINT);
  ASSERT_TRUE(says(process, "asked to stop, saves first: waiting for step"));
  ASSERT_TRUE(wait_until([&] { return disk.hung() > 0; }));
  process.signal(SIGINT);
  ASSERT_TRUE(says(process, "asked to stop before: waiting for the save of step"));
  process.signal(SIGTERM);  // of a batch system: no third Ctrl-C
  process.signal(SIGINT);
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_EQ(job.checkpoint_names().size(), 0u);
  EXPECT_EQ(job.events("stopped").size(), 0u);
}

TEST(Usr2, SavesNowAndGoesOn) {
  const Job job(mlp_config());
  const Start start = endless(Launcher::kMpirun);
  Process process(job.command(start), job.options(start));
  ASSERT_TRUE(is_training(job));
  process.signal(SIGUSR2);
  ASSERT_TRUE(has_event(job, "checkpoint_saved"));
  ASSERT_EQ(job.events("save_requested").size(), 1u);
  const int step = job.events("save_requested")[0].at("step");
  EXPECT_EQ(job.events("checkpoint_saved")[0].at("step"), step);
  EXPECT_TRUE(is_training(job, static_cast<std::size_t>(step) + 3));
  process.signal(SIGUSR1);
  EXPECT_EQ(process.wait().code, 75);
  EXPECT_TRUE(job.verifies(job.checkpoint(step)));
}

// F8. Each save takes about half a second.
TEST(Deadline, TooShortForASaveLeavesTheOldCheckpointAndNamesTheLeadThatFits) {
  const Job job(mlp_config());
  const SlowDisk disk(job);
  std::vector<std::string> before = disk.slow_sync();
  before.push_back("LOCKSTEP_GRACE_S=0.3");
  const Start start = endless(Launcher::kNone, before);
  Process process(job.command(start), job.options(start));
  ASSERT_TRUE(is_training(job));
  process.signal(SIGUSR2);
  ASSERT_TRUE(has_event(job, "stop_lead"));
  EXPECT_TRUE(says(process, "warning: a stop by TERM leaves 0.3 s"));
  const int saved = job.events("checkpoint_saved").at(0).at("step");
  process.signal(SIGTERM);
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.code, 76) << result.err;
  EXPECT_GT(disk.slow(), 0u);
  ASSERT_EQ(job.events("stopped_unsaved").size(), 1u);
  const Json event = job.events("stopped_unsaved")[0];
  EXPECT_EQ(event.at("newest"), saved);
  EXPECT_GE(event.at("save_seconds"), 0.3);
  EXPECT_NE(result.err.find("the newest checkpoint is that of step " + std::to_string(saved)),
            std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("--signal=B:USR1@"), std::string::npos) << result.err;
  EXPECT_EQ(job.checkpoint_names().size(), 1u);
  EXPECT_TRUE(job.verifies(job.checkpoint(saved)));
  EXPECT_EQ(job.leftovers(), 0);
}

TEST(Deadline, ThatPassesDuringASaveEndsAllRanksWithoutIt) {
  const Job job(mlp_config());
  const SlowDisk disk(job);
  std::vector<std::string> before = disk.frozen("/ckpt/");
  before.push_back("LOCKSTEP_GRACE_S=2");
  Start start = endless(Launcher::kMpirun, before, {"checkpoint.async=true"});
  Process process(job.command(start), job.options(start));
  ASSERT_TRUE(is_training(job));
  process.signal(SIGUSR2);
  ASSERT_TRUE(has_event(job, "checkpoint_saved"));
  const int saved = job.events("checkpoint_saved")[0].at("step");
  disk.freeze();
  process.signal(SIGUSR1);
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.code, 76) << result.err;
  EXPECT_GT(disk.hung(), 0u);
  EXPECT_EQ(job.events("stopped_unsaved").size(), 1u);
  EXPECT_TRUE(job.all_gone_within(std::chrono::seconds(10)));
  disk.thaw();
  EXPECT_EQ(job.checkpoint_names().size(), 1u);
  EXPECT_TRUE(job.verifies(job.checkpoint(saved)));
  // And it goes on from there.
  ASSERT_EQ(job.train({.overrides = {"train.steps=" + std::to_string(saved + 3), "schedule.type=constant",
                                     "train.eval_every=0"}})
                .code,
            0);
  EXPECT_EQ(job.events("resumed").at(0).at("step"), saved);
}

// F7: a request while a save is in flight.
TEST(SaveInFlight, IsTheOnlyOneOfAStop) {
  const Job job(mlp_config());
  const SlowDisk disk(job);
  Start start = endless(Launcher::kMpirun, disk.frozen("/ckpt/"), {"checkpoint.async=true"});
  Process process(job.command(start), job.options(start));
  ASSERT_TRUE(is_training(job));
  disk.freeze();
  process.signal(SIGUSR2);
  ASSERT_TRUE(has_event(job, "save_requested"));
  const int step = job.events("save_requested")[0].at("step");
  ASSERT_TRUE(is_training(job, static_cast<std::size_t>(step) + 3));
  process.signal(SIGUSR1);
  ASSERT_TRUE(says(process, "asked to stop"));
  disk.thaw();
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.code, 75) << result.err;
  EXPECT_GT(disk.hung(), 0u);
  EXPECT_EQ(job.events("checkpoint_saved").size(), 1u);
  ASSERT_EQ(job.events("stopped").size(), 1u);
  EXPECT_EQ(job.events("stopped")[0].at("step"), step);
  EXPECT_GT(job.events("stopped")[0].at("trained_to"), step);
  EXPECT_TRUE(job.verifies(job.checkpoint(step)));
}

TEST(EndOfTheJob, StopsAllRanksByItselfInTimeForASave) {
  const Job job(mlp_config());
  const auto end = ::time(nullptr) + 12;
  const Start start = endless(Launcher::kMpirun, {"env", "LOCKSTEP_END_TIME=" + std::to_string(end)});
  const ProcessResult result = job.train(start);
  EXPECT_EQ(result.code, 75) << result.err;
  EXPECT_LT(::time(nullptr), end);
  ASSERT_EQ(job.events("stopped").size(), 1u);
  EXPECT_EQ(job.events("stopped")[0].at("signal"), 0);
  EXPECT_TRUE(job.verifies(job.checkpoint(job.events("stopped")[0].at("step"))));
}

// The first life has something to keep, the second has nothing new.
TEST(ARequestDuringStartUp, IsNotLost) {
  const Job job(mlp_config());
  Start start = endless(Launcher::kMpirun);
  start.fault = "usr1@rank=1,point=startup,file=" + job.path("first");
  EXPECT_EQ(job.train(start).code, 75);
  EXPECT_EQ(injections(job.path("first")), 1);
  EXPECT_EQ(job.events("stopped").at(0).at("step"), 1);
  start.fault = "usr1@rank=0,point=startup,file=" + job.path("second");
  EXPECT_EQ(job.train(start).code, 75);
  EXPECT_EQ(injections(job.path("second")), 1);
  EXPECT_EQ(job.events("stopped").at(1).at("step"), 1);
  EXPECT_EQ(job.metrics().size(), 1u);
}

}  // namespace
}  // namespace lockstep::testing
