// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "cli/binary.h"

namespace lockstep::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

// The binary on a terminal of its own: all it drew, and its exit code.
struct Drawn {
  std::string text;
  int code = -1;
};

Drawn on_terminal(const std::string& folder, const std::vector<std::string>& words,
                  const std::string& locale) {
  winsize size{};
  size.ws_col = 70;
  size.ws_row = 30;
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    if (::chdir(folder.c_str()) != 0) ::_exit(126);
    ::setenv("TERM", "xterm", 1);
    ::setenv("LC_ALL", locale.c_str(), 1);
    std::vector<char*> arguments = {const_cast<char*>(LOCKSTEP_BINARY)};
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  Drawn drawn;
  char piece[4096];
  for (ssize_t got = 0; (got = ::read(terminal, piece, sizeof piece)) > 0;)
    drawn.text.append(piece, static_cast<std::size_t>(got));
  int status = 0;
  ::waitpid(child, &status, 0);
  ::close(terminal);
  drawn.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return drawn;
}

template <class Condition>
bool wait_until(Condition holds, int seconds = 60) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

class StatusWatch : public Binary {
 protected:
  // A run that does not end by itself within a test.
  std::vector<std::string> endless() const {
    return {LOCKSTEP_BINARY, "train", "-c", "run.yaml", "train.steps=100000000", "log.every_steps=1"};
  }
  json status() const {
    const ProcessResult result = lockstep({"status", "runs/small", "--json"});
    return result.code == 0 ? json::parse(result.out, nullptr, false) : json::object();
  }
  std::string word(const std::string& key) const {
    const json now = status();
    return now.contains(key) && now[key].is_string() ? now[key].get<std::string>() : "";
  }
  bool comes_to_be(const std::string& state, int seconds = 60) const {
    return wait_until([&] { return word("state") == state; }, seconds);
  }
};

TEST_F(StatusWatch, OnATerminalDrawsTheCurveAndEndsWithTheRun) {
  train({"log.every_steps=1"});
  const Drawn drawn = on_terminal(dir_.path(), {"status", "runs/small", "--watch=0.1"}, "C.UTF-8");
  EXPECT_EQ(drawn.code, 0);
  EXPECT_THAT(drawn.text, HasSubstr("state       done"));
  EXPECT_THAT(drawn.text, HasSubstr("\xe2\xa0"));
  const Drawn plain = on_terminal(dir_.path(), {"status", "runs/small", "--watch=0.1"}, "C");
  EXPECT_THAT(plain.text, HasSubstr(" *"));
  EXPECT_THAT(plain.text, Not(HasSubstr("\xe2")));
}

TEST_F(StatusWatch, DrawsOverItselfWhileTheRunGoesOn) {
  Process run(endless(), in_folder());
  ASSERT_TRUE(comes_to_be("running"));
  std::thread ends([&] {
    std::this_thread::sleep_for(std::chrono::seconds(2));
    run.signal(SIGTERM);
  });
  const Drawn drawn = on_terminal(dir_.path(), {"status", "runs/small", "--watch=0.2"}, "C.UTF-8");
  ends.join();
  EXPECT_EQ(run.wait().code, 75);
  EXPECT_EQ(drawn.code, 0);
  EXPECT_THAT(drawn.text, HasSubstr("state       running"));
  EXPECT_THAT(drawn.text, HasSubstr("A\r\033[J"));
  EXPECT_THAT(drawn.text, HasSubstr("state       stopped"));
  EXPECT_THAT(drawn.text, HasSubstr("a step "));
  EXPECT_THAT(drawn.text, HasSubstr("compute"));
}

TEST_F(StatusWatch, ElsewhereALineIsAChange) {
  train();
  const ProcessResult result = lockstep({"status", "--watch", "runs/small"});
  EXPECT_EQ(result.code, 0) << result.err;
  ASSERT_EQ(lines_of(result.out).size(), 1u);
  EXPECT_THAT(result.out, HasSubstr("step 12/12"));
  EXPECT_THAT(result.out, HasSubstr("done"));
  EXPECT_THAT(result.out, Not(HasSubstr("\033")));
}

TEST_F(StatusWatch, ARunThatWasStoppedDoesNotMoveAndMovesAgain) {
  Process run(endless(), in_folder());
  ASSERT_TRUE(comes_to_be("running"));
  ASSERT_TRUE(wait_until([&] { return status().value("step", 0) > 100; }));
  run.signal(SIGSTOP);
  EXPECT_TRUE(comes_to_be("not moving", 30));
  const json still = status();
  EXPECT_THAT(still.value("why", ""), HasSubstr("no step for 1"));
  EXPECT_GE(still.value("quiet_s", 0.0), 10.0);
  EXPECT_THAT(lockstep({"status", "runs/small"}).out, HasSubstr("not moving: no step for"));
  run.signal(SIGCONT);
  EXPECT_TRUE(comes_to_be("running", 20));
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait().code, 75);
  EXPECT_EQ(word("state"), "stopped");
}

TEST_F(StatusWatch, BetweenTwoAttemptsSaysWhatTheSupervisorWaitsFor) {
  // Each life is killed before it has saved, and the second pause is long.
  ProcessOptions options =
      in_folder({{"LOCKSTEP_FAULT", "note@point=step,step=2,file=fired;kill@point=step,step=2"},
                 {"LOCKSTEP_RUN_BACKOFF_MS", "100000"}});
  Process supervisor({LOCKSTEP_BINARY, "run", "-n", "1", "run.yaml", "log.every_steps=1"}, options);
  ASSERT_TRUE(wait_until([&] { return word("why").find("starts in") != std::string::npos; }))
      << supervisor.err();
  const json waiting = status();
  EXPECT_EQ(waiting.value("state", ""), "waiting");
  EXPECT_GE(lines_of(read_file(dir_ / "fired")).size(), 2u);
  supervisor.signal(SIGKILL);
  supervisor.wait();
  EXPECT_EQ(word("state"), "stopped");
  EXPECT_THAT(word("why"), HasSubstr("its supervisor is gone"));
}

}  // namespace
}  // namespace lockstep::testing
