// SPDX-License-Identifier: Apache-2.0
#include "supervise/slurm/memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/temp_dir.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

class SlurmMemoryTest : public ::testing::Test {
 protected:
  fs::path file() const { return dir_ / "slurm-attempts.json"; }
  SlurmMemory memory(const std::string& job = "43_2") const { return {job, dir_.path()}; }

  testing::TempDir dir_;
};

History troubled() {
  History history;
  history.attempts = 5;
  history.fruitless = 2;
  history.bugs = 1;
  history.ever_trained = true;
  history.last_fault = ReportedFault{70, 12, "a \"quoted\" fault", "n1"};
  history.same_fault = 1;
  history.host_failures["n1"] = 1;
  return history;
}

TEST_F(SlurmMemoryTest, OutlivesTheProcess) {
  memory().keep(troubled());
  const History now = memory().history();
  EXPECT_EQ(now.attempts, 5);
  EXPECT_EQ(now.fruitless, 2);
  EXPECT_EQ(now.bugs, 1);
  EXPECT_TRUE(now.ever_trained);
  ASSERT_TRUE(now.last_fault.has_value());
  EXPECT_EQ(now.last_fault->message, "a \"quoted\" fault");
  EXPECT_EQ(now.last_fault->step, 12);
  EXPECT_EQ(now.host_failures.at("n1"), 1);
}

TEST_F(SlurmMemoryTest, OfAnotherJobBeginsAnew) {
  memory().keep(troubled());
  EXPECT_EQ(memory("44").history().attempts, 0);
}

TEST_F(SlurmMemoryTest, ThatIsTornCostsNoMoreThanTheCount) {
  std::ofstream(file()) << "{\"job\": \"43_2\", \"hist";
  EXPECT_EQ(memory().history().attempts, 0);
}

TEST_F(SlurmMemoryTest, MakesNoRunDirectory) {
  SlurmMemory memory("43", dir_ / "none");
  memory.keep(troubled());
  EXPECT_FALSE(fs::exists(dir_ / "none"));
  EXPECT_EQ(memory.history().attempts, 5);
}

TEST_F(SlurmMemoryTest, LearnsTheRunDirectoryLater) {
  memory().keep(troubled());
  SlurmMemory later("43_2", "");
  EXPECT_EQ(later.history().attempts, 0);
  later.recall(dir_.path());
  EXPECT_EQ(later.history().attempts, 5);
}

}  // namespace
}  // namespace lockstep
