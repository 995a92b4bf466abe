// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/fault_point.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "lockstep/base/error.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using testing::read_file;
using testing::TempDir;

#ifndef LOCKSTEP_FAULT_POINTS

TEST(FaultPoint, PlanIsRefusedWhereThereAreNone) {
  EXPECT_NO_THROW(arm_fault_points("", {}));
  EXPECT_THROW(arm_fault_points("kill@step=1", {}), Fault);
}

#else

class FaultPoint : public ::testing::Test {
 protected:
  void TearDown() override {
    arm_fault_points("", {});
    set_fault_step(0);
  }
  TempDir folder_;
};

TEST_F(FaultPoint, PlanThatCannotBeReadNamesThePart) {
  const std::vector<std::pair<std::string, std::string> > bad = {
      {"boom@step=1", "'boom'"},
      {"kill@when=1", "'when=1'"},
      {"kill@step=one", "'one'"},
      {"kill@step=1x", "'1x'"},
      {"kill@rank=", "''"},
      {"kill@step=1;@", "''"},
      {"throw@point=a,color=red", "'color=red'"},
  };
  for (const auto& [plan, part] : bad) {
    try {
      arm_fault_points(plan, {});
      ADD_FAILURE() << plan << " was read";
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.code(), ExitCode::kUsage);
      EXPECT_THAT(fault.fact(), ::testing::HasSubstr("LOCKSTEP_FAULT=" + plan + ": cannot read " + part));
      EXPECT_FALSE(fault.remedy().empty());
    }
  }
}

TEST_F(FaultPoint, FiresOnlyWhereAllItsKeysMatch) {
  arm_fault_points("throw@point=save,step=7,rank=1,attempt=2", {.rank = 1, .attempt = 2});
  set_fault_step(6);
  EXPECT_NO_THROW(fault_point("save"));
  set_fault_step(7);
  EXPECT_NO_THROW(fault_point("step"));
  EXPECT_THROW(fault_point("save"), Fault);
  arm_fault_points("throw@point=save,step=7,rank=1,attempt=2", {.rank = 0, .attempt = 2});
  EXPECT_NO_THROW(fault_point("save"));
  arm_fault_points("throw@point=save,step=7,rank=1,attempt=2", {.rank = 1, .attempt = 3});
  EXPECT_NO_THROW(fault_point("save"));
}

TEST_F(FaultPoint, PlanWithoutAPointMeansTheBeginningOfAStep) {
  arm_fault_points("throw@step=3", {});
  set_fault_step(3);
  EXPECT_NO_THROW(fault_point("reduce"));
  EXPECT_THROW(fault_point("step"), Fault);
}

TEST_F(FaultPoint, FileMakesItFireOnceAndCountsIt) {
  const std::string file = folder_ / "fired";
  arm_fault_points("throw@point=save,file=" + file, {.rank = 2, .attempt = 4});
  set_fault_step(9);
  EXPECT_THROW(fault_point("save"), Fault);
  EXPECT_NO_THROW(fault_point("save"));
  EXPECT_EQ(read_file(file), "throw rank=2 step=9 attempt=4 point=save\n");
}

TEST_F(FaultPoint, SeparatePlansFireEachAtItsPlace) {
  arm_fault_points("throw@point=a;nan@point=b,step=2", {});
  EXPECT_THROW(fault_point("a"), Fault);
  set_fault_step(2);
  EXPECT_NO_THROW(fault_point("b"));  // nan asks its caller instead
  EXPECT_TRUE(fault_requested("b"));
  EXPECT_FALSE(fault_requested("a"));
}

TEST_F(FaultPoint, KillEndsTheProcessAfterItsLineIsWritten) {
  const std::string file = folder_ / "fired";
  arm_fault_points("kill@step=1,file=" + file, {});
  set_fault_step(1);
  EXPECT_EXIT(fault_point("step"), ::testing::KilledBySignal(SIGKILL), "");
  EXPECT_EQ(read_file(file), "kill rank=0 step=1 attempt=1 point=step\n");
}

#endif

}  // namespace
}  // namespace lockstep
