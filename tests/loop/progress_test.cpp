// SPDX-License-Identifier: Apache-2.0
#include "loop/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "support/manual_clock.h"

namespace lockstep {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<std::string> shown;
void show(const std::string& text) {
  shown.push_back(text);
}

class ProgressTest : public ::testing::Test {
 protected:
  void SetUp() override { shown.clear(); }
  ManualClock clock_;
};

TEST_F(ProgressTest, BatchLogGetsThe1stThenALineAnIntervalAndTheLast) {
  Progress progress(clock_, {.global_batch = 8, .terminal = false, .interval = 5s}, show);
  progress.begin(Step(1), Step(10));
  std::vector<std::int64_t> steps;
  for (std::int64_t step = 1; step <= 10; ++step) {
    clock_.advance(2s);
    const std::size_t before = shown.size();
    progress.step(Step(step), 0.5);
    if (shown.size() > before) steps.push_back(step);
  }
  EXPECT_THAT(steps, ElementsAre(1, 4, 7, 10));
  EXPECT_EQ(shown[0], "step 1/10  loss 0.50000  4 samples/s  eta 18s  checkpoint none yet\n");
}

TEST_F(ProgressTest, TerminalHasOneLineThatIsWrittenOver) {
  Progress progress(clock_, {.global_batch = 8, .terminal = true}, show);
  progress.begin(Step(1), Step(100));
  for (std::int64_t step = 1; step <= 10; ++step) {
    clock_.advance(50ms);
    progress.step(Step(step), 0.5);
  }
  EXPECT_EQ(shown.size(), 5u);  // every 100 ms
  for (const std::string& text : shown) {
    EXPECT_THAT(text, StartsWith("\r\033[K"));
    EXPECT_EQ(text.find('\n'), std::string::npos);
  }
  progress.end_line();
  progress.end_line();
  EXPECT_EQ(shown.size(), 6u);
  EXPECT_EQ(shown.back(), "\n");
}

TEST_F(ProgressTest, LastStepIsAlwaysShown) {
  for (const bool terminal : {false, true}) {
    shown.clear();
    Progress progress(clock_, {.global_batch = 1, .terminal = terminal}, show);
    progress.begin(Step(5), Step(6));
    progress.step(Step(6), 0.25);
    ASSERT_EQ(shown.size(), 1u);
    EXPECT_THAT(shown[0], HasSubstr("step 6/6  loss 0.25000"));
  }
}

TEST_F(ProgressTest, RateAndTimeLeftCountFromWhereThisLifeBegan) {
  Progress progress(clock_, {.global_batch = 100, .terminal = false, .interval = 0s}, show);
  progress.begin(Step(1001), Step(5000));
  progress.saved(Step(1000));
  clock_.advance(2s);
  progress.step(Step(1002), 1);
  EXPECT_EQ(progress.line_rate(Step(1002)), 100);
  EXPECT_THAT(shown.back(), HasSubstr("100 samples/s  eta 1h06m  checkpoint 1000"));
}

// A fast first half, then a slow one: the rate of a line is that of the line.
TEST_F(ProgressTest, RateIsOfTheTimeSinceTheLineBefore) {
  Progress progress(clock_, {.global_batch = 10, .terminal = false, .interval = 5s}, show);
  progress.begin(Step(1), Step(1000));
  for (std::int64_t step = 1; step <= 100; ++step) {
    clock_.advance(100ms);
    progress.step(Step(step), 0.5);
    if (step % 50 == 0) {
      EXPECT_EQ(progress.line_rate(Step(step)), 100);
    }
  }
  for (std::int64_t step = 101; step <= 110; ++step) {
    clock_.advance(5s);
    progress.step(Step(step), 0.5);
    if (step > 101) {
      EXPECT_THAT(shown.back(), HasSubstr("  2 samples/s"));
    }
    EXPECT_EQ(progress.line_rate(Step(step)), 2);
  }
  // The time left is told by the last minute: 50 s of 10 steps, and 10 s of 100.
  EXPECT_THAT(shown.back(), HasSubstr("eta 8m0"));
  EXPECT_EQ(progress.line_rate(Step(110)), 0) << "no time has passed";
}

TEST_F(ProgressTest, ATerminalsRateIsOfTheLastSeconds) {
  Progress progress(clock_, {.global_batch = 10, .terminal = true, .interval = 5s}, show);
  progress.begin(Step(1), Step(2000));
  for (std::int64_t step = 1; step <= 1000; ++step) {
    clock_.advance(step <= 500 ? 100ms : 200ms);
    progress.step(Step(step), 0.5);
    if (step == 500) {
      EXPECT_THAT(shown.back(), HasSubstr("100 samples/s  eta 2m30s"));
    }
  }
  EXPECT_THAT(shown.back(), HasSubstr("50 samples/s  eta 3m20s"));
}

}  // namespace
}  // namespace lockstep
