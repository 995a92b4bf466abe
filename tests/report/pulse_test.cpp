// SPDX-License-Identifier: Apache-2.0
#include "report/pulse.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <fstream>

#include "lockstep/base/clock.h"
#include "report/standing.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using Supervisor = Signs::Supervisor;
using testing::TempDir;

std::string at(double seconds) {
  return iso_time(
      std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::system_clock::duration>(
          std::chrono::duration<double>(seconds))));
}

// A run directory that a test writes and a reader follows.
class Following : public ::testing::Test {
 protected:
  void step(std::int64_t step, double time, const std::string& more = "", int attempt = 1) {
    write("metrics.jsonl", fmt::format(R"({{"step":{},"attempt":{},"loss":{},"time":"{}"{}}})", step, attempt,
                                       1.0 / static_cast<double>(step), at(time), more) +
                               "\n");
  }
  void event(const std::string& name, double time, const std::string& more = "", int attempt = 1) {
    write(
        "events.jsonl",
        fmt::format(R"({{"time":"{}","attempt":{},"event":"{}"{}}})", at(time), attempt, name, more) + "\n");
  }
  void write(const std::string& file, const std::string& text) {
    std::ofstream(folder_ / file, std::ios::app) << text;
  }
  Standing standing(double now, bool held, Supervisor supervisor = Supervisor::kGone, int attempt = 1) {
    Signs signs;
    signs.held = held;
    signs.supervisor = supervisor;
    signs.attempt = attempt;
    signs.began = 1000;
    signs.now = now;
    return standing_of(reader_.read_on(), signs);
  }
  // Twenty lines, one each half second; the last at 1010.
  void run_a_while() {
    for (int i = 1; i <= 20; ++i) step(10 * i, 1000 + 0.5 * i);
  }

  TempDir folder_;
  PulseReader reader_{real_disk(), folder_.path()};
};

TEST(SecondsOf, ReadsWhatIsoTimeWrites) {
  EXPECT_NEAR(seconds_of(at(1764381600.125)), 1764381600.125, 1.5e-3);
  EXPECT_EQ(seconds_of("yesterday"), 0);
}

TEST_F(Following, TakesInWhatIsNewAndTheRestOfALineOnceItIsWhole) {
  step(1, 1000);
  EXPECT_EQ(reader_.read_on().step, 1);
  write("metrics.jsonl", R"({"step":2,"attempt":1,"lo)");
  EXPECT_EQ(reader_.read_on().step, 1);
  write("metrics.jsonl", "ss\":0.25,\"time\":\"x\"}\n[1]\nno json\n");
  EXPECT_EQ(reader_.read_on().step, 2);
  EXPECT_EQ(reader_.read_on().last_loss, 0.25);
  EXPECT_EQ(reader_.read_on().loss.size(), 2u);
}

TEST_F(Following, KnowsTheUsualStepOfLateAndNoneAcrossARestart) {
  run_a_while();
  const Pulse& pulse = reader_.read_on();
  EXPECT_NEAR(pulse.step_s, 0.05, 1e-3);
  EXPECT_NEAR(pulse.gap_s, 0.5, 1e-2);
  step(150, 5000, "", 2);
  step(160, 5001, "", 2);
  reader_.read_on();
  EXPECT_NEAR(pulse.step_s, 0.1, 1e-3);
  EXPECT_EQ(pulse.loss.back().step, 160);
  EXPECT_EQ(pulse.loss.size(), 16u) << "what was done anew is gone";
}

// The last line of a run has its last save, and tells little of the steps before.
TEST_F(Following, PhasesAreOfTheSameStepsAsTheLengthOfAStep) {
  step(1, 1000, R"(,"seconds":{"compute":9,"other":9})");
  EXPECT_EQ(reader_.read_on().step_s, 0);
  for (int i = 1; i <= 10; ++i) step(1 + 10 * i, 1000 + 2 * i, R"(,"seconds":{"compute":0.15,"other":0.05})");
  step(106, 1025, R"(,"seconds":{"compute":0.2,"other":0.8})");
  const Pulse& pulse = reader_.read_on();
  EXPECT_NEAR(pulse.step_s, 25.0 / 105, 1e-9);
  EXPECT_NEAR(pulse.seconds.at("compute"), (100 * 0.15 + 5 * 0.2) / 105, 1e-9);
  EXPECT_NEAR(pulse.seconds.at("compute") + pulse.seconds.at("other"), pulse.step_s, 1e-9);
}

TEST_F(Following, KeepsTheShapeOfALongRunInBoundedMemory) {
  std::string text;
  for (int i = 1; i <= 20000; ++i) text += fmt::format(R"({{"step":{},"attempt":1,"loss":{}}})", i, i) + "\n";
  write("metrics.jsonl", text);
  const Series& loss = reader_.read_on().loss;
  EXPECT_LT(loss.size(), 4097u);
  EXPECT_GT(loss.size(), 1000u);
  EXPECT_EQ(loss.front().value, 1);
  EXPECT_GT(loss.back().value, 19900);
}

TEST_F(Following, ARunThatStepsRuns) {
  run_a_while();
  EXPECT_EQ(standing(1015, true).state, "running");
  EXPECT_DOUBLE_EQ(standing(1015, true).quiet_s, 5);
}

TEST_F(Following, ARunWithoutAStepForLongDoesNotMoveAndForHowLong) {
  run_a_while();
  const Standing still = standing(1210, true);
  EXPECT_EQ(still.state, "not moving");
  EXPECT_EQ(still.why, "no step for 3m20s, usually a line every 0.5 s");
  EXPECT_FALSE(still.is_over());
}

TEST_F(Following, ALongEvaluationSeenBeforeIsNoStandstill) {
  run_a_while();
  step(210, 1050);  // 40 s
  step(220, 1050.5);
  EXPECT_EQ(standing(1110, true).state, "running");
  EXPECT_EQ(standing(1131, true).state, "not moving");
}

TEST_F(Following, TheDiskAndTheWatchdogAreNamedAsTheCause) {
  run_a_while();
  event("storage_slow", 1030, R"(,"operation":"sync","file":"/data/x","seconds":9)");
  EXPECT_EQ(standing(1110, true).why,
            "no step for 1m40s, usually a line every 0.5 s; it waits for the disk: /data/x");
  event("hang", 1100, R"(,"cause":"rank 1 (host b) has been in compute for 80 s")");
  EXPECT_NE(standing(1110, true).why.find("the watchdog says: rank 1 (host b)"), std::string::npos);
}

TEST_F(Following, AStartIsNamedAndAnEndlessOneDoesNotMove) {
  EXPECT_EQ(standing(1005, true).state, "starting");
  EXPECT_EQ(standing(1005, true).why, "no step yet, 5 s after its start");
  EXPECT_EQ(standing(1301, true).state, "not moving");
  run_a_while();
  EXPECT_EQ(standing(1012, true, Supervisor::kGone, 2).state, "starting") << "a second life";
}

TEST_F(Following, BetweenTwoAttemptsItWaitsAndSaysForWhat) {
  run_a_while();
  event("attempt_end", 1020, R"(,"code":76,"cause":"rank 1 is gone")");
  event("waiting", 1020, R"(,"reason":"host b cannot be reached","pause_s":30.0)");
  const Standing waiting = standing(1025, false, Supervisor::kLives);
  EXPECT_EQ(waiting.state, "waiting");
  EXPECT_EQ(waiting.why, "host b cannot be reached; the next attempt starts in 25 s");
  EXPECT_FALSE(waiting.is_over());
  EXPECT_EQ(standing(1051, false, Supervisor::kLives).why,
            "host b cannot be reached; the next attempt is being started");
  const Standing alone = standing(1051, false, Supervisor::kGone);
  EXPECT_EQ(alone.state, "stopped");
  EXPECT_EQ(alone.why, "host b cannot be reached; its supervisor is gone, so nothing starts it again");
}

TEST_F(Following, EndsAreTold) {
  run_a_while();
  event("stopped", 1011, R"(,"step":200,"reason":"USR1")");
  EXPECT_EQ(standing(1012, false).why, "USR1");
  event("attempt_end", 1012, R"(,"code":137,"cause":"killed")");
  EXPECT_EQ(standing(1012, false).why, "ended with 137: killed");
  event("requeued", 1013, R"(,"reason":"preempted","job":"7")");
  EXPECT_EQ(standing(1014, false, Supervisor::kUnknown).state, "waiting");
  event("gave_up", 1014, R"(,"code":93,"reason":"3 fruitless attempts")");
  const Standing gave_up = standing(1015, false);
  EXPECT_EQ(gave_up.state, "gave up");
  EXPECT_EQ(gave_up.why, "3 fruitless attempts (code 93)");
  EXPECT_TRUE(gave_up.is_over());
  EXPECT_EQ(standing(1016, false, Supervisor::kLives).state, "starting") << "started anew by hand";
}

TEST_F(Following, KnowsWhetherARankIsStillSlow) {
  event("straggler", 1000, R"(,"rank":2,"host":"b","ratio":1.8)");
  step(10, 1004, R"(,"straggler_ratio":1.8,"seconds":{"data":0.1,"compute":0.2})");
  const Pulse& pulse = reader_.read_on();
  EXPECT_EQ(pulse.straggler.field("host"), "b");
  EXPECT_EQ(pulse.straggler_ratio, 1.8);
  EXPECT_EQ(pulse.seconds.at("compute"), 0.2);
  step(20, 1005);
  EXPECT_EQ(reader_.read_on().straggler_ratio, 0);
}

}  // namespace
}  // namespace lockstep
