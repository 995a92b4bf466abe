// SPDX-License-Identifier: Apache-2.0
// F6 and F9: somebody asks the job to stop.
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job/job.h"

namespace lockstep::testing {
namespace {

class OneRankAsked : public ::testing::TestWithParam<Launcher> {};

TEST_P(OneRankAsked, StopsAllAfterTheSameStepSavedAndResumable) {
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const Start start{.ranks = 3, .launcher = GetParam(), .fault = "usr1@rank=1,step=5,file=" + fired};
  const ProcessResult result = job.train(start);
  EXPECT_EQ(result.code, 75) << result.err;
  EXPECT_EQ(injections(fired), 1);
  const std::vector<Json> stopped = job.events("stopped");
  ASSERT_EQ(stopped.size(), 1u);
  EXPECT_EQ(stopped[0].at("step"), 5);
  EXPECT_TRUE(job.verifies(job.checkpoint(5)));
  EXPECT_EQ(job.state_hash(), "");
  EXPECT_TRUE(job.all_gone_within(std::chrono::seconds(10)));

  ASSERT_EQ(job.train({.ranks = 2, .launcher = GetParam()}).code, 0);
  EXPECT_EQ(job.events("resumed").at(0).at("step"), 5);
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
}

INSTANTIATE_TEST_SUITE_P(F6, OneRankAsked, ::testing::Values(Launcher::kMpirun, Launcher::kSupervisor),
                         [](const auto& info) {
                           return std::string(info.param == Launcher::kMpirun ? "UnderMpirun"
                                                                              : "UnderTheSupervisor");
                         });

TEST(WithoutTheStopPolicy, ARequestIsNotHeard) {
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const ProcessResult result = job.train(
      {.launcher = Launcher::kNone, .fault = "skip@point=guard.skip_stop;usr1@step=5,file=" + fired});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(injections(fired), 1);
}

// So long that only a request ends it; the steps are short.
Start endless(Launcher launcher) {
  return {.ranks = 2,
          .launcher = launcher,
          .overrides = {"train.steps=1000000000", "schedule.type=constant", "train.eval_every=0",
                        "log.every_steps=1", "checkpoint.every_steps=1000000000"}};
}

// What a stopped run leaves: saved at one step, and going on from there ends where an undisturbed run ends.
void expect_stopped_and_resumable(const Job& job) {
  const std::vector<Json> stopped = job.events("stopped");
  ASSERT_EQ(stopped.size(), 1u);
  const int step = stopped[0].at("step");
  EXPECT_TRUE(job.verifies(job.checkpoint(step)));
  const std::vector<std::string> a_little_further = {"train.steps=" + std::to_string(step + 3),
                                                     "schedule.type=constant", "train.eval_every=0",
                                                     "checkpoint.every_steps=1000000000"};
  ASSERT_EQ(job.train({.launcher = Launcher::kNone, .overrides = a_little_further}).code, 0);
  EXPECT_EQ(job.events("resumed").at(0).at("step"), step);
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config(), a_little_further));
}

bool is_training(const Job& job) {
  return wait_until([&] { return lines_of(job.run() + "/metrics.jsonl").size() >= 2; });
}

struct Asked {
  const char* name;
  int signal;
  Launcher launcher;

  friend void PrintTo(const Asked& one, std::ostream* out) { *out << one.name; }
};

class Signal : public ::testing::TestWithParam<Asked> {};

TEST_P(Signal, SavesAndEndsWithTheRequeueCode) {
  const Job job(mlp_config());
  const Start start = endless(GetParam().launcher);
  Process process(job.command(start), job.options(start));
  ASSERT_TRUE(is_training(job));
  process.signal(GetParam().signal);
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.code, 75) << result.err;
  EXPECT_TRUE(job.all_gone_within(std::chrono::seconds(10)));
  expect_stopped_and_resumable(job);
}

INSTANTIATE_TEST_SUITE_P(F9, Signal,
                         ::testing::Values(Asked{"IntToTheProcess", SIGINT, Launcher::kNone},
                                           Asked{"HupToTheProcess", SIGHUP, Launcher::kNone},
                                           Asked{"TermToTheProcess", SIGTERM, Launcher::kNone},
                                           Asked{"Usr1ToTheProcess", SIGUSR1, Launcher::kNone},
                                           Asked{"Usr1ToMpirun", SIGUSR1, Launcher::kMpirun},
                                           Asked{"IntToTheSupervisor", SIGINT, Launcher::kSupervisor},
                                           Asked{"HupToTheSupervisor", SIGHUP, Launcher::kSupervisor},
                                           Asked{"TermToTheSupervisor", SIGTERM, Launcher::kSupervisor}),
                         [](const auto& info) { return info.param.name; });

// A child on a pseudo-terminal of its own, as under a person's hands.
class OnTerminal {
 public:
  OnTerminal(const std::vector<std::string>& command, const ProcessOptions& options) {
    pid_ = ::forkpty(&terminal_, nullptr, nullptr, nullptr);
    if (pid_ == 0) {
      std::vector<char*> words;
      for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
      words.push_back(nullptr);
      for (const auto& [name, value] : options.environment) ::setenv(name.c_str(), value.c_str(), 1);
      if (::chdir(options.directory.c_str()) != 0) ::_exit(126);
      ::execvp(words[0], words.data());
      ::_exit(127);
    }
    ::fcntl(terminal_, F_SETFL, O_NONBLOCK);
  }
  ~OnTerminal() {
    if (!ended()) ::kill(-pid_, SIGKILL);
    ::close(terminal_);
  }
  OnTerminal(const OnTerminal&) = delete;
  OnTerminal& operator=(const OnTerminal&) = delete;

  void type(const char* keys) { EXPECT_GT(::write(terminal_, keys, std::string(keys).size()), 0); }
  // Reads what was shown meanwhile: a full terminal would stop the child.
  bool ended() {
    char shown[4096];
    while (::read(terminal_, shown, sizeof shown) > 0) {
    }
    if (!ended_) ended_ = ::waitpid(pid_, &status_, WNOHANG) == pid_;
    return ended_;
  }
  int code() const { return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_); }

 private:
  pid_t pid_ = -1;
  int terminal_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

class CtrlC : public ::testing::TestWithParam<Launcher> {};

TEST_P(CtrlC, SavesAndEndsWithTheRequeueCode) {
  const Job job(mlp_config());
  const Start start = endless(GetParam());
  OnTerminal child(job.command(start), job.options(start));
  ASSERT_TRUE(
      wait_until([&] { return !child.ended() && lines_of(job.run() + "/metrics.jsonl").size() >= 2; }));
  child.type("\x03");
  ASSERT_TRUE(wait_until([&] { return child.ended(); }));
  EXPECT_EQ(child.code(), 75);
  expect_stopped_and_resumable(job);
}

INSTANTIATE_TEST_SUITE_P(F9, CtrlC, ::testing::Values(Launcher::kNone, Launcher::kSupervisor),
                         [](const auto& info) {
                           return std::string(info.param == Launcher::kNone ? "OnTheProcess"
                                                                            : "OnTheSupervisor");
                         });

}  // namespace
}  // namespace lockstep::testing
