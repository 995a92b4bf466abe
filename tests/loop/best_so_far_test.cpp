// SPDX-License-Identifier: Apache-2.0
#include "loop/best_so_far.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

KeepBest rule(const std::string& metric, const std::string& mode) {
  KeepBest rule;
  rule.metric = metric;
  rule.mode = from_word<BestMode>(mode).value();
  rule.count = 1;
  return rule;
}

TEST(BestSoFar, SmallestWinsAndTheFirstWinsATie) {
  BestSoFar best(rule("valid_loss", "min"));
  EXPECT_TRUE(best.beaten_by({{"valid_loss", 2.0}}, Step(10)));
  EXPECT_FALSE(best.beaten_by({{"valid_loss", 2.5}}, Step(20)));
  EXPECT_FALSE(best.beaten_by({{"valid_loss", 2.0}}, Step(30)));
  EXPECT_EQ(best.saved().at("step"), 10);
  EXPECT_TRUE(best.beaten_by({{"valid_loss", 1.5}}, Step(40)));
  EXPECT_EQ(best.saved().at("value"), 1.5);
  EXPECT_EQ(best.saved().at("step"), 40);
}

TEST(BestSoFar, LargestWinsInModeMax) {
  BestSoFar best(rule("valid_accuracy", "max"));
  EXPECT_TRUE(best.beaten_by({{"valid_accuracy", 0.5}, {"valid_loss", 1}}, Step(1)));
  EXPECT_FALSE(best.beaten_by({{"valid_accuracy", 0.4}, {"valid_loss", 0}}, Step(2)));
  EXPECT_TRUE(best.beaten_by({{"valid_accuracy", 0.6}, {"valid_loss", 2}}, Step(3)));
}

TEST(BestSoFar, NanNeverWinsNotEvenAsTheFirst) {
  for (const char* mode : {"min", "max"}) {
    BestSoFar best(rule("valid_loss", mode));
    EXPECT_FALSE(best.beaten_by({{"valid_loss", std::nan("")}}, Step(1)));
    EXPECT_TRUE(best.saved().empty());
    EXPECT_TRUE(best.beaten_by({{"valid_loss", 1.0}}, Step(2)));
    EXPECT_FALSE(best.beaten_by({{"valid_loss", std::nan("")}}, Step(3)));
    EXPECT_EQ(best.saved().at("value"), 1.0);
  }
}

TEST(BestSoFar, GoesOnFromWhatWasSaved) {
  BestSoFar first(rule("valid_loss", "min"));
  first.beaten_by({{"valid_loss", 1.0}}, Step(5));
  BestSoFar second(rule("valid_loss", "min"));
  second.restore(first.saved());
  EXPECT_FALSE(second.beaten_by({{"valid_loss", 1.0}}, Step(6)));
  EXPECT_TRUE(second.beaten_by({{"valid_loss", 0.5}}, Step(7)));
}

TEST(BestSoFar, MetricThatIsNotMeasuredIsAConfigFaultThatNamesThose) {
  BestSoFar best(rule("valid_acuracy", "max"));
  try {
    best.beaten_by({{"valid_accuracy", 1}, {"valid_loss", 1}}, Step(1));
    FAIL() << "found";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    EXPECT_THAT(fault.what(), ::testing::HasSubstr("valid_acuracy"));
    EXPECT_THAT(fault.what(), ::testing::HasSubstr("valid_accuracy, valid_loss"));
  }
}

TEST(BestSoFar, NothingIsBestWhenNoneIsKept) {
  BestSoFar best{KeepBest{}};
  EXPECT_FALSE(best.beaten_by({{"valid_loss", 1.0}}, Step(1)));
}

}  // namespace
}  // namespace lockstep
