// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "supervise/slurm/command.h"
#include "supervise/slurm/controller.h"
#include "supervise/slurm/job_state.h"

namespace lockstep {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::SizeIs;
using Words = std::vector<std::string>;

// What scontrol of Slurm 22.05 printed, shortened by words that nobody reads here.
const char* const kRunning =
    "JobId=43 ArrayJobId=43 ArrayTaskId=2 JobName=a=b UserId=root(0) JobState=RUNNING Reason=None "
    "Dependency=(null) "
    "Requeue=1 Restarts=2 BatchFlag=1 ExitCode=0:0 RunTime=00:00:05 TimeLimit=00:10:00 TimeMin=N/A "
    "StartTime=2026-11-29T00:01:09 EndTime=2026-11-29T00:11:09 Deadline=N/A Partition=main NodeList=n[1-2] "
    "NumNodes=2 NumTasks=4 ReqB:S:C:T=0:0:*:* Command=/tmp/x Partition=no \n";

SlurmJob job_of(const std::string& state, const std::string& reason, int restarts) {
  SlurmJob job;
  job.state = state;
  job.reason = reason;
  job.restarts = restarts;
  return job;
}

TEST(SlurmJob, IsReadFromOneLineOfScontrol) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  const auto job = parse_slurm_job(kRunning);
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->state, "RUNNING");
  EXPECT_EQ(job->reason, "None");
  EXPECT_EQ(job->partition, "main");
  EXPECT_EQ(job->nodes, "n[1-2]");
  EXPECT_EQ(job->restarts, 2);
  EXPECT_TRUE(job->may_requeue);
  EXPECT_EQ(job->end_time, 1795911069);
  EXPECT_FALSE(parse_slurm_job("slurm_load_jobs error: Invalid job id specified").has_value());
}

TEST(SlurmJob, WithoutALimitHasNoEnd) {
  EXPECT_EQ(parse_slurm_job("JobState=RUNNING TimeLimit=UNLIMITED EndTime=2027-11-29T00:11:09")->end_time, 0);
  EXPECT_EQ(parse_slurm_job("JobState=PENDING TimeLimit=00:10:00 EndTime=Unknown")->end_time, 0);
  EXPECT_FALSE(parse_slurm_job("JobState=RUNNING Requeue=0")->may_requeue);
}

TEST(SlurmJob, GraceIsReadFromConfigAndPartition) {
  EXPECT_EQ(
      slurm_setting_s("KeepAliveTime = 3\nKillOnBadExit = 0\nKillWait                = 30 sec\n", "KillWait"),
      30);
  EXPECT_EQ(slurm_setting_s("KillWaits = 30 sec", "KillWait"), std::nullopt);
  EXPECT_EQ(partition_grace_s("PartitionName=main GraceTime=20 Hidden=NO"), 20);
  EXPECT_EQ(partition_grace_s("slurm_load_partitions error"), 0);
}

TEST(SlurmJob, IsOursToRequeueOnlyWhileItRunsOrItsTimeIsUp) {
  EXPECT_EQ(standing_of(job_of("RUNNING", "None", 1), 1), SlurmStanding::kOurs);
  EXPECT_EQ(standing_of(job_of("COMPLETING", "TimeLimit", 1), 1), SlurmStanding::kOurs);
  EXPECT_EQ(standing_of(job_of("TIMEOUT", "TimeLimit", 1), 1), SlurmStanding::kOurs);
  EXPECT_EQ(standing_of(job_of("COMPLETING", "None", 2), 1), SlurmStanding::kRequeued);
  EXPECT_EQ(standing_of(job_of("PENDING", "BeginTime", 1), 1), SlurmStanding::kRequeued);
  EXPECT_EQ(standing_of(job_of("COMPLETING", "None", 1), 1), SlurmStanding::kCancelled);
  EXPECT_EQ(standing_of(job_of("CANCELLED", "None", 1), 1), SlurmStanding::kCancelled);
}

// A controller whose answers are written down beforehand; the last one is repeated.
class AskedController : public ::testing::Test {
 protected:
  SlurmController controller(std::vector<CommandResult> answers) {
    answers_ = std::move(answers);
    return SlurmController(
        place_,
        [this](const Words& words) {
          asked_.push_back(words);
          return answers_[std::min(asked_.size(), answers_.size()) - 1];
        },
        [this](seconds pause) { paused_ += pause; });
  }

  SlurmPlace place_{.job = "43", .array_job = "43", .array_task = "2"};
  std::vector<CommandResult> answers_;
  std::vector<Words> asked_;
  seconds paused_{0};
};

const CommandResult kAway{1, "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"};

TEST_F(AskedController, IsAskedAgainWhileItIsAway) {
  const auto job = controller({kAway, kAway, kAway, {0, kRunning}}).job();
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->restarts, 2);
  EXPECT_THAT(asked_, SizeIs(4));
  EXPECT_EQ(paused_, seconds(1 + 2 + 4));
}

TEST_F(AskedController, IsNotWaitedForForEver) {
  EXPECT_FALSE(controller({kAway}).job().has_value());
  EXPECT_GE(paused_, seconds(1800));
  EXPECT_LT(paused_, seconds(1900));
  EXPECT_EQ(controller({kAway}).requeue(), Requeue::kUnheard);
}

TEST_F(AskedController, RequeuesThisTaskOfAnArrayAlone) {
  EXPECT_EQ(controller({{1, "Unexpected message received for job 43_2\n"}, {0, ""}}).requeue(),
            Requeue::kDone);
  EXPECT_THAT(asked_, SizeIs(2));
  EXPECT_THAT(asked_[0], ElementsAre("scontrol", "requeue", "43_2"));
}

TEST_F(AskedController, ThatHasRequeuedItAlreadyIsNoFailure) {
  EXPECT_EQ(controller({{1, "Job is pending execution for job 43_2\n"}}).requeue(), Requeue::kDone);
  EXPECT_THAT(asked_, SizeIs(1));
}

TEST_F(AskedController, ThatRefusesIsNotAskedAgain) {
  EXPECT_EQ(controller({{1, "Requested operation is presently disabled for job 43_2\n"}}).requeue(),
            Requeue::kRefused);
  EXPECT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(paused_, seconds(0));
}

TEST_F(AskedController, SaysWhatAStopLeaves) {
  EXPECT_EQ(controller({{0, "KillWait = 5 sec\n"}, {0, "PartitionName=main GraceTime=20"}}).grace_s({}), 25);
}

TEST(SlurmPlace, NamesAJobByItsIdAndATaskByArrayAndNumber) {
  EXPECT_EQ((SlurmPlace{.job = "45", .array_job = "43", .array_task = "2"}).name(), "43_2");
  EXPECT_EQ((SlurmPlace{.job = "45"}).name(), "45");
}

TEST(RunCommand, GivesCodeAndAllThatWasWritten) {
  const CommandResult both = run_command({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(both.code, 3);
  EXPECT_EQ(both.text, "out\nerr\n");
  EXPECT_EQ(run_command({"sh", "-c", "kill -KILL $$"}).code, 137);
  EXPECT_EQ(run_command({"there-is-no-such-program"}).code, 127);
}

}  // namespace
}  // namespace lockstep
