// SPDX-License-Identifier: Apache-2.0
#include "supervise/slurm/step.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>

#include "supervise/slurm/script.h"

namespace lockstep {
namespace {

// To its end, as the supervisor does it.
int run_out(SlurmStep& step) {
  while (!step.ended()) {
    pollfd said{step.said(), POLLIN, 0};
    ::poll(&said, 1, 50);
    step.listen();
  }
  return *step.ended();
}

int say(const std::string& text, std::string& complaint, bool& lost) {
  SlurmStep step({"sh", "-c", "printf '%s\\n' \"$0\" >&2; exit 3", text});
  const int code = run_out(step);
  complaint = step.complaint();
  lost = step.lost_a_rank().has_value();
  return code;
}

TEST(SlurmStep, KeepsSrunsComplaintThatTheStepCouldNotStart) {
  std::string complaint;
  bool lost = true;
  EXPECT_EQ(say("srun: error: task 2 launch failed: Unspecified error", complaint, lost), 3);
  EXPECT_EQ(complaint, "task 2 launch failed: Unspecified error");
  EXPECT_FALSE(lost);
  say("srun: error: Unable to confirm allocation for job 85: Unable to contact slurm controller", complaint,
      lost);
  EXPECT_EQ(complaint, "Unable to confirm allocation for job 85: Unable to contact slurm controller");
  say("a rank writes: launch failed", complaint, lost);
  EXPECT_EQ(complaint, "");
}

TEST(SlurmStep, KnowsWhenARankWasLost) {
  std::string complaint;
  bool lost = false;
  say("srun: error: n1: task 1: Killed", complaint, lost);
  EXPECT_TRUE(lost);
  EXPECT_EQ(complaint, "");
  say("srun: error: n[1-2]: tasks 0-3: Exited with exit code 1", complaint, lost);
  EXPECT_TRUE(lost);
  say("lockstep: error: n1: task 1: Killed", complaint, lost);
  EXPECT_FALSE(lost);
}

TEST(SlurmStep, HandsSignalsOnAndSaysHowItEnded) {
  SlurmStep step({"sleep", "60"});
  EXPECT_FALSE(step.ended().has_value());
  step.send(SIGUSR1);
  EXPECT_EQ(run_out(step), 128 + SIGUSR1);
}

TEST(SlurmScript, NamesNodesAndCpusAndNoTasks) {
  SlurmScript script;
  script.job_name = "digits";
  script.binary = "/opt/a folder/lockstep";
  script.config = "it's.yaml";
  script.nodes = "1-4";
  script.ranks_per_node = 8;
  script.cpus_per_node = 16;
  const std::string text = slurm_script(script);
  for (const char* part : {"#SBATCH --nodes=1-4\n", "#SBATCH --mincpus=16\n", "#SBATCH --requeue\n",
                           "lockstep='/opt/a folder/lockstep'\n",
                           "--ranks-per-node 8 'it'\\''s.yaml' \"$@\"\n", "trap '' USR1 TERM\n"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  EXPECT_EQ(text.find("ntasks"), std::string::npos);
  EXPECT_EQ(text.find("--array"), std::string::npos);
}

}  // namespace
}  // namespace lockstep
