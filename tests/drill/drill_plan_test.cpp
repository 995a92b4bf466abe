// SPDX-License-Identifier: Apache-2.0
#include "drill/drill_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

DrillWishes wishes_of(int kills, int hangs = 0, int full_disks = 0) {
  return {.kills = kills,
          .hangs = hangs,
          .full_disks = full_disks,
          .chosen = {},
          .ranks = {2},
          .steps = 200,
          .seed = 1};
}

DrillWishes chosen(std::vector<std::string> faults, std::vector<int> ranks = {2}) {
  return {.chosen = std::move(faults), .ranks = std::move(ranks), .steps = 200, .seed = 1};
}

std::string text_of(const std::vector<Disturbance>& faults) {
  std::string text;
  for (const Disturbance& fault : faults)
    text += std::string(word_for(fault.kind)) + " " + std::to_string(fault.rank) + "/" +
            std::to_string(fault.ranks) + " " + std::to_string(fault.step) + "\n";
  return text;
}

std::vector<double> parts_of(const std::vector<Disturbance>& faults) {
  std::vector<double> parts;
  for (const Disturbance& fault : faults) parts.push_back(fault.part);
  return parts;
}

int count_of(const std::vector<Disturbance>& faults, FaultKind kind) {
  return static_cast<int>(
      std::count_if(faults.begin(), faults.end(), [&](const auto& fault) { return fault.kind == kind; }));
}

TEST(DrillPlan, HasAsManyOfEachKindAsWished) {
  const auto faults = plan_drill(wishes_of(5, 2, 1));
  EXPECT_EQ(count_of(faults, FaultKind::kKill), 5);
  EXPECT_EQ(count_of(faults, FaultKind::kHang), 2);
  EXPECT_EQ(count_of(faults, FaultKind::kFullDisk), 1);
  EXPECT_TRUE(plan_drill(wishes_of(0)).empty());
}

TEST(DrillPlan, IsTheSameForASeedAndAnotherForAnother) {
  DrillWishes wishes = wishes_of(5, 1);
  const auto first = plan_drill(wishes);
  EXPECT_EQ(text_of(plan_drill(wishes)), text_of(first));
  EXPECT_EQ(parts_of(plan_drill(wishes)), parts_of(first));
  wishes.seed = 2;
  EXPECT_NE(text_of(plan_drill(wishes)), text_of(first));
  EXPECT_NE(parts_of(plan_drill(wishes)), parts_of(first));
}

TEST(DrillPlan, SpreadsTheFaultsOverTheStepsAndTheRanks) {
  std::set<int> ranks;
  std::set<double> parts;
  int in_start = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    DrillWishes wishes = wishes_of(4);
    wishes.ranks = {3};
    wishes.seed = seed;
    const auto faults = plan_drill(wishes);
    for (std::size_t i = 0; i < faults.size(); ++i) {
      ranks.insert(faults[i].rank);
      parts.insert(faults[i].part);
      if (faults[i].step == 0) {
        ++in_start;
        ASSERT_GT(i, 0u) << "the first life has to begin";
        EXPECT_GT(faults[i - 1].step, 0) << "two starts in a row are no progress";
        continue;
      }
      EXPECT_GE(faults[i].step, 1 + static_cast<std::int64_t>(i) * 199 / 4);
      EXPECT_LT(faults[i].step, 1 + static_cast<std::int64_t>(i + 1) * 199 / 4);
    }
  }
  EXPECT_EQ(ranks, (std::set<int>{0, 1, 2}));
  EXPECT_GT(in_start, 20);
  EXPECT_GT(parts.size(), 200u);
  EXPECT_GE(*parts.begin(), 0);
  EXPECT_LT(*parts.rbegin(), 1);
}

TEST(DrillPlan, StrikesARankThatTheLifeHas) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    DrillWishes wishes = wishes_of(6);
    wishes.ranks = {4, 1, 2};
    wishes.seed = seed;
    const auto faults = plan_drill(wishes);
    for (std::size_t i = 0; i < faults.size(); ++i) {
      EXPECT_EQ(faults[i].ranks, wishes.ranks[i % 3]);
      EXPECT_LT(faults[i].rank, faults[i].ranks);
    }
  }
}

TEST(DrillPlan, TakesChosenFaultsInTheOrderOfTheirSteps) {
  const auto faults = plan_drill(chosen({"kill:1@120", "hang:0@7", "disk@80"}));
  EXPECT_EQ(text_of(faults), "hang 0/2 7\ndisk 0/2 80\nkill 1/2 120\n");
}

TEST(DrillPlan, LeavesTheRankOfAChosenFaultToTheSeed) {
  std::set<int> ranks;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    DrillWishes wishes = chosen({"kill@120"});
    wishes.seed = seed;
    ranks.insert(plan_drill(wishes)[0].rank);
  }
  EXPECT_EQ(ranks, (std::set<int>{0, 1}));
}

struct Refused {
  const char* name;
  DrillWishes wishes;
  const char* why;

  friend void PrintTo(const Refused& one, std::ostream* out) { *out << one.name; }
};

class DrillPlanRefuses : public ::testing::TestWithParam<Refused> {};

TEST_P(DrillPlanRefuses, WithUsageAndAReason) {
  try {
    plan_drill(GetParam().wishes);
    FAIL() << "nothing was refused";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kUsage);
    EXPECT_THAT(fault.what(), HasSubstr(GetParam().why));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Wishes, DrillPlanRefuses,
    ::testing::Values(Refused{"NoFault", chosen({"flood@3"}), "KIND[:RANK]@STEP"},
                      Refused{"NoStep", chosen({"kill:1"}), "KIND[:RANK]@STEP"},
                      Refused{"NotANumber", chosen({"kill:-1@3"}), "KIND[:RANK]@STEP"},
                      Refused{"StepZero", chosen({"kill@0"}), "the run has 200 steps"},
                      Refused{"PastTheEnd", chosen({"kill@200"}), "Give a step from 1 to 199"},
                      Refused{"TooLarge", chosen({"kill@99999999999999999999"}), "too large"},
                      Refused{"NoSuchRank", chosen({"kill:2@3"}), "there is no rank 2"},
                      Refused{"NoSuchRankInThatLife", chosen({"kill:3@3", "kill:3@9"}, {4, 2}),
                              "there is no rank 3 for the kill at step 9: that life has 2"},
                      Refused{"HangsAlone", chosen({"hang@3"}, {1}), "nobody to notice it"},
                      Refused{"MoreFaultsThanSteps", wishes_of(200), "need more than 200 steps"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lockstep
