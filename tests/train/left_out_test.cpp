// SPDX-License-Identifier: Apache-2.0
#include "train/left_out.h"

#include <gtest/gtest.h>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

TEST(LeftOut, CountsSkipsInARow) {
  LeftOut out;
  for (const int step : {3, 5, 6, 7}) out.skip(Step(step));
  EXPECT_EQ(out.skipped_before(Step(8)), 3);
  EXPECT_EQ(out.skipped_before(Step(4)), 1);
  EXPECT_EQ(out.skipped_before(Step(5)), 0);
  EXPECT_TRUE(out.contains(Step(5)));
  EXPECT_FALSE(out.contains(Step(4)));
}

TEST(LeftOut, ARollbackLeavesOutBatchesAroundTheBadStep) {
  const auto range = [](int bad, int steps, int batches) {
    const Rollback rollback = LeftOut::around(Step(bad), {steps, batches});
    return std::pair(rollback.first.value, rollback.last.value);
  };
  EXPECT_EQ(range(100, 10, 1), std::pair(100L, 100L));
  EXPECT_EQ(range(100, 10, 4), std::pair(98L, 101L));
  EXPECT_EQ(range(100, 10, 10), std::pair(95L, 104L));
  // Nothing of what is not done anew.
  EXPECT_EQ(range(2, 10, 6), std::pair(1L, 6L));
  EXPECT_EQ(range(100, 2, 2), std::pair(99L, 100L));
}

TEST(LeftOut, RollbacksThatComeNoFurtherAreCounted) {
  LeftOut out;
  const auto back_from = [&](int step) { out.roll_back({Step(step), Step(step), Step(step)}, Step(0)); };
  back_from(20);
  EXPECT_EQ(out.fruitless_before(Step(25), 5), 1);
  EXPECT_EQ(out.fruitless_before(Step(26), 5), 0) << "it came past";
  back_from(24);
  back_from(23);
  EXPECT_EQ(out.fruitless_before(Step(23), 5), 3);
  EXPECT_EQ(out.fruitless_before(Step(40), 5), 0);
}

TEST(LeftOut, ReadsWhatItWrote) {
  LeftOut out;
  out.skip(Step(4));
  out.roll_back({Step(9), Step(8), Step(10)}, Step(5));
  const LeftOut again = LeftOut::decode(out.encode());
  EXPECT_EQ(again.encode(), out.encode());
  EXPECT_EQ(again.way_back(), Step(5));
  for (const int step : {4, 8, 9, 10}) EXPECT_TRUE(again.contains(Step(step)));
  EXPECT_FALSE(again.contains(Step(7)));
}

TEST(LeftOut, RefusesWhatIsNoRecord) {
  for (const char* text : {"", "[]", "{", R"({"skipped":[]})", R"({"skipped":["a"],"rollbacks":[]})",
                           R"({"skipped":[],"rollbacks":[{"at":1}]})"})
    EXPECT_THROW(LeftOut::decode(text), Fault) << text;
}

}  // namespace
}  // namespace lockstep
