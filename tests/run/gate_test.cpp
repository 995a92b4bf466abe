// SPDX-License-Identifier: Apache-2.0
#include "run/gate.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <optional>
#include <vector>

#include "lockstep/base/error.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

using testing::TempDir;

std::vector<std::future<bool>> ranks_at(const std::string& gate, int ranks) {
  std::vector<std::future<bool>> waiting;
  for (int i = 0; i < ranks; ++i)
    waiting.push_back(std::async(std::launch::async, [gate] { return pass_gate(gate); }));
  return waiting;
}

TEST(Gate, RanksWaitUntilItOpensAndThoseThatComeLateGoOnAtOnce) {
  const TempDir folder;
  Gate gate(folder / "gate");
  auto ranks = ranks_at(folder / "gate", 3);
  for (auto& rank : ranks) EXPECT_EQ(rank.wait_for(milliseconds(50)), std::future_status::timeout);
  EXPECT_TRUE(gate.open(5));
  for (auto& rank : ranks_at(folder / "gate", 2)) ranks.push_back(std::move(rank));
  for (auto& rank : ranks) {
    ASSERT_EQ(rank.wait_for(seconds(10)), std::future_status::ready);
    EXPECT_TRUE(rank.get());
  }
}

TEST(Gate, WhereNobodyHoldsItTheRanksLeave) {
  const TempDir folder;
  std::optional<Gate> gate(folder / "gate");
  auto ranks = ranks_at(folder / "gate", 3);
  EXPECT_EQ(ranks[0].wait_for(milliseconds(50)), std::future_status::timeout);
  gate.reset();
  for (auto& rank : ranks) {
    ASSERT_EQ(rank.wait_for(seconds(10)), std::future_status::ready);
    EXPECT_FALSE(rank.get());
  }
  EXPECT_FALSE(pass_gate(folder / "gate"));
  EXPECT_FALSE(pass_gate(folder / "none"));
}

TEST(Gate, APlaceThatCannotHoldOneIsRefused) {
  EXPECT_THROW(Gate("/proc/gate"), Fault);
}

}  // namespace
}  // namespace lockstep
