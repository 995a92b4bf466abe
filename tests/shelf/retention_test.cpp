// SPDX-License-Identifier: Apache-2.0
#include "shelf/retention.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lockstep {
namespace {

std::vector<std::int64_t> pruned(const std::vector<RetentionEntry>& entries, const CheckpointOptions& options,
                                 std::optional<Step> best = std::nullopt) {
  std::vector<std::int64_t> out;
  for (const Step step : steps_to_prune(entries, options, best)) out.push_back(step.value);
  return out;
}

const std::vector<RetentionEntry> kFive = {
    {Step{10}, 3.0}, {Step{20}, 1.0}, {Step{30}, std::nan("")}, {Step{40}, 1.0}, {Step{50}, std::nullopt}};

CheckpointOptions keep(std::int64_t last, std::int64_t every, const KeepBest& best) {
  CheckpointOptions options;
  options.keep_last = last;
  options.keep_every = every;
  options.keep_best = best;
  return options;
}

TEST(Retention, KeepsTheNewestWhateverTheRulesSay) {
  EXPECT_EQ(pruned(kFive, keep(0, 0, {})), (std::vector<std::int64_t>{10, 20, 30, 40}));
  EXPECT_EQ(pruned(kFive, keep(-3, 0, {})), (std::vector<std::int64_t>{10, 20, 30, 40}));
  EXPECT_TRUE(pruned({}, keep(1, 0, {})).empty());
}

TEST(Retention, KeepsOneThatIsOldEnoughToGoBackTo) {
  CheckpointOptions options = keep(1, 0, {});
  using Steps = std::vector<std::int64_t>;
  for (const auto& [behind, others] : {std::pair{10, Steps{10, 20, 30}},
                                       {11, Steps{10, 20}},
                                       {40, Steps{30, 40}},
                                       {41, Steps{20, 30, 40}}}) {
    options.keep_behind = behind;
    EXPECT_EQ(pruned(kFive, options), others) << behind;
  }
  EXPECT_TRUE(pruned({}, options).empty());
}

TEST(Retention, AlwaysHasOneThatIsOldEnoughAndNotTwiceThatOld) {
  CheckpointOptions options = keep(1, 0, {});
  options.keep_behind = 7;
  std::vector<RetentionEntry> there;
  for (std::int64_t step = 1; step < 60; ++step) {
    there.push_back({Step{step}});
    for (const Step gone : steps_to_prune(there, options, std::nullopt))
      std::erase_if(there, [&](const RetentionEntry& entry) { return entry.step == gone; });
    EXPECT_LE(there.size(), 3u);
    if (step <= 7) continue;
    EXPECT_LE(there.front().step, Step{step - 7});
    EXPECT_GE(there.front().step, Step{step - 2 * 7});
  }
}

TEST(Retention, KeepsTheLastAndTheMultiples) {
  EXPECT_EQ(pruned(kFive, keep(2, 0, {})), (std::vector<std::int64_t>{10, 20, 30}));
  EXPECT_EQ(pruned(kFive, keep(1, 20, {})), (std::vector<std::int64_t>{10, 30}));
  EXPECT_TRUE(pruned(kFive, keep(9, 0, {})).empty());
}

TEST(Retention, KeepsTheBestWhereTheFirstWinsATieAndNaNNever) {
  EXPECT_EQ(pruned(kFive, keep(1, 0, {"loss", BestMode::kMin, 1})), (std::vector<std::int64_t>{10, 30, 40}));
  EXPECT_EQ(pruned(kFive, keep(1, 0, {"loss", BestMode::kMin, 2})), (std::vector<std::int64_t>{10, 30}));
  EXPECT_EQ(pruned(kFive, keep(1, 0, {"loss", BestMode::kMax, 1})), (std::vector<std::int64_t>{20, 30, 40}));
  EXPECT_EQ(pruned(kFive, keep(1, 0, {"loss", BestMode::kMin, 9})), (std::vector<std::int64_t>{30}));
}

TEST(Retention, KeepsWhatTheBestPointerNames) {
  EXPECT_EQ(pruned(kFive, keep(1, 0, {"loss", BestMode::kMin, 1}), Step{10}),
            (std::vector<std::int64_t>{30, 40}));
  EXPECT_EQ(pruned(kFive, keep(1, 0, {"loss", BestMode::kMin, 0}), Step{10}),
            (std::vector<std::int64_t>{10, 20, 30, 40}));
}

}  // namespace
}  // namespace lockstep
