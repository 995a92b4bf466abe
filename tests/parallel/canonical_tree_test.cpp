// SPDX-License-Identifier: Apache-2.0
#include "parallel/canonical_tree.h"

#include <gtest/gtest.h>

#include "comm/loopback/loopback_communicator.h"
#include "lockstep/base/error.h"
#include "parallel/ownership.h"

namespace lockstep {
namespace {

TEST(CanonicalTree, PutsTheLargestPowerOfTwoBelowOnTheLeft) {
  EXPECT_EQ(left_child({0, 12}), (MicroBatchRun{0, 8}));
  EXPECT_EQ(right_child({0, 12}), (MicroBatchRun{8, 4}));
  EXPECT_EQ(left_child({8, 4}), (MicroBatchRun{8, 2}));
  EXPECT_EQ(left_child({4, 2}), (MicroBatchRun{4, 1}));
  EXPECT_EQ(right_child({4, 3}), (MicroBatchRun{6, 1}));
}

TEST(CanonicalTree, KnowsItsNodes) {
  EXPECT_TRUE(is_node({0, 12}, 12));
  EXPECT_TRUE(is_node({8, 4}, 12));
  EXPECT_TRUE(is_node({6, 1}, 7));
  EXPECT_FALSE(is_node({1, 2}, 12));
  EXPECT_FALSE(is_node({4, 8}, 12));
  EXPECT_FALSE(is_node({0, 3}, 12));
}

TEST(CanonicalTree, CompleteSubtreesCoverTheRunInOrderAndCannotBeMerged) {
  for (int leaves = 1; leaves <= 33; ++leaves) {
    for (int first = 0; first < leaves; ++first) {
      for (int count = 1; first + count <= leaves; ++count) {
        const auto nodes = complete_subtrees({first, count}, leaves);
        int at = first;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
          EXPECT_EQ(nodes[i].first, at);
          EXPECT_TRUE(is_node(nodes[i], leaves));
          if (i > 0) {
            EXPECT_FALSE(is_node({nodes[i - 1].first, nodes[i - 1].count + nodes[i].count}, leaves));
          }
          at = nodes[i].end();
        }
        EXPECT_EQ(at, first + count);
      }
    }
  }
}

TEST(CanonicalTree, JoinsNodesOfAnyOrderAndLeavesGaps) {
  using Nodes = std::vector<MicroBatchRun>;
  EXPECT_EQ(joined({{2, 2}, {0, 1}, {1, 1}}, 8), (Nodes{{0, 4}}));
  EXPECT_EQ(joined({{0, 2}, {4, 2}}, 8), (Nodes{{0, 2}, {4, 2}}));
  EXPECT_EQ(joined({{0, 1}, {2, 1}, {3, 1}}, 8), (Nodes{{0, 1}, {2, 2}}));
  EXPECT_EQ(joined({{4, 1}, {5, 1}, {6, 1}}, 7), (Nodes{{4, 3}}));
}

TEST(Ownership, RunsAreContiguousCoverEverythingAndDifferByAtMostOne) {
  for (int micro_batches = 1; micro_batches <= 20; ++micro_batches) {
    for (int world = 1; world <= micro_batches; ++world) {
      int at = 0;
      for (int rank = 0; rank < world; ++rank) {
        const MicroBatchRun run = run_of(Rank(rank), WorldSize(world), micro_batches);
        EXPECT_EQ(run.first, at);
        EXPECT_GE(run.count, micro_batches / world);
        EXPECT_LE(run.count, (micro_batches + world - 1) / world);
        at = run.end();
      }
      EXPECT_EQ(at, micro_batches);
    }
  }
}

TEST(Ownership, FollowsTheOrderOfHostsNotThatOfNumbers) {
  // Two hosts that the launcher gave ranks in turn.
  Place place{Rank(1), WorldSize(4), 0, 2, "b"};
  place.positions = {0, 2, 1, 3};
  const auto hub = std::make_shared<LoopbackHub>(WorldSize(4));
  const World world(place, std::make_unique<LoopbackCommunicator>(hub, Rank(1), WorldSize(4)));
  EXPECT_EQ(run_of(world, 8), (MicroBatchRun{4, 2}));
  EXPECT_EQ(run_of(world, Rank(2), 8), (MicroBatchRun{2, 2}));
  EXPECT_EQ(nodes_of(world, {0, 2}, 8), (std::vector<MicroBatchRun>{{0, 4}}));
  EXPECT_EQ(nodes_of(world, {1, 3}, 8), (std::vector<MicroBatchRun>{{4, 4}}));
}

TEST(Ownership, RefusesMoreRanksThanMicroBatchesAndSaysWhichFit) {
  try {
    run_of(Rank(0), WorldSize(4), 3);
    FAIL() << "was accepted";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    EXPECT_NE(std::string(fault.what()).find("1 to 3 ranks"), std::string::npos) << fault.what();
  }
}

}  // namespace
}  // namespace lockstep
