// SPDX-License-Identifier: Apache-2.0
#include "loop/stop_budget.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace lockstep {
namespace {

StopSave choice(const StopSituation& now, std::optional<double> save_s) {
  return choose_stop_save(now, save_s);
}

TEST(StopSave, IsNoneWhereTheLastStepIsSaved) {
  EXPECT_EQ(choice({.saved = true, .left_s = 0}, 10), StopSave::kNone);
}

TEST(StopSave, IsBegunOnlyWhereItFitsByTheMeasureOfEarlierOnes) {
  EXPECT_EQ(choice({}, 1000), StopSave::kSave);
  EXPECT_EQ(choice({.left_s = 20}, 10), StopSave::kSave);
  EXPECT_EQ(choice({.left_s = 12}, 10), StopSave::kTooLate);  // not without a margin
  EXPECT_EQ(choice({.left_s = 0.5}, std::nullopt), StopSave::kSave);
}

TEST(StopSave, TheOneInFlightIsTheOnlyOne) {
  EXPECT_EQ(choice({.flight_age_s = 4}, 10), StopSave::kFinish);
  EXPECT_EQ(choice({.flight_age_s = 4, .left_s = 1}, 10), StopSave::kFinish);
  EXPECT_EQ(choice({.flight_age_s = 40, .flight_is_last = true}, 10), StopSave::kFinish);
  EXPECT_EQ(choice({.flight_age_s = 40}, std::nullopt), StopSave::kFinish);
}

TEST(StopSave, OneInFlightForLongerThanASaveTakesIsFollowedByAnotherWhereThatFits) {
  EXPECT_EQ(choice({.flight_age_s = 11}, 10), StopSave::kFinishAndSave);
  EXPECT_EQ(choice({.flight_age_s = 11, .left_s = 30}, 10), StopSave::kFinishAndSave);
  EXPECT_EQ(choice({.flight_age_s = 11, .left_s = 15}, 10), StopSave::kFinish);
}

TEST(StopBudget, LeadIsTheLongestStepAndASaveWithItsMargin) {
  StopBudget budget(0);
  SaveTimes saves;
  budget.step_took(2);
  budget.step_took(1);
  saves.took(4);
  EXPECT_DOUBLE_EQ(budget.lead_s(saves), 2 + 5.1);
  EXPECT_GT(budget.lead_to_end_s(saves), budget.lead_s(saves) + 2);
}

TEST(StopBudget, BeforeTheFirstSaveTheStateTakesTimeToWrite) {
  EXPECT_GT(StopBudget(40e9).lead_s({}), 200);
  EXPECT_LT(StopBudget(1e3).lead_s({}), 5);
}

TEST(StopBudget, ALongStepIsForgottenInTheEnd) {
  StopBudget budget(0);
  budget.step_took(60);
  for (int i = 0; i < 2500; ++i) budget.step_took(0.1);
  EXPECT_DOUBLE_EQ(budget.step_s(), 0.1);
}

TEST(SaveTimes, ExpectsTheLongestOfTheLastFew) {
  SaveTimes saves;
  EXPECT_FALSE(saves.expected());
  for (const double seconds : {50, 1, 3, 2, 1}) saves.took(seconds);
  EXPECT_EQ(saves.expected(), 3);
}

TEST(SaveTimes, ComeFromWhatEarlierLivesWroteDown) {
  const testing::TempDir folder;
  testing::write_file(
      folder / "events.jsonl",
      "torn\n{\"event\":\"checkpoint_saved\",\"seconds\":7.5}\n"
      "{\"event\":\"checkpoint_waited\",\"seconds\":99}\n{\"event\":\"checkpoint_saved\"}\n[1]\n");
  EXPECT_EQ(save_times_of(real_disk(), folder / "events.jsonl").expected(), 7.5);
  EXPECT_FALSE(save_times_of(real_disk(), folder / "none").expected());
}

}  // namespace
}  // namespace lockstep
