// SPDX-License-Identifier: Apache-2.0
#include "comm/loopback/loopback_world.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "comm/communicator_suite.h"
#include "comm/mpi/mpi_session.h"

namespace lockstep {
namespace {

SuiteBackend loopback(int ranks) {
  return {"Loopback" + std::to_string(ranks), [ranks](const auto& body) {
            run_loopback(WorldSize{ranks}, [&](World& world) {
              HostMemory memory;
              body(SuiteRank{world.host(), memory});
            });
          }};
}

INSTANTIATE_TEST_SUITE_P(Loopback, CommunicatorSuite,
                         testing::Values(loopback(1), loopback(2), loopback(3), loopback(4)),
                         [](const auto& info) { return info.param.name; });

// Rank 1 fails; what the waiting call of every other rank throws.
void expect_peer_lost(const std::function<void(World&)>& call) {
  int lost = 0;
  EXPECT_THROW(run_loopback(WorldSize{2},
                            [&](World& world) {
                              if (world.rank().value == 1) throw std::domain_error("rank 1 is ill");
                              try {
                                call(world);
                                ADD_FAILURE() << "the call came back";
                              } catch (const Fault& fault) {
                                EXPECT_EQ(fault.code(), ExitCode::kPeerLost);
                                EXPECT_NE(std::string(fault.what()).find("rank 1"), std::string::npos);
                                ++lost;
                              }
                            }),
               std::domain_error);
  EXPECT_EQ(lost, 1);
}

TEST(Loopback, LostPeerIsAFaultInEveryWaitingCall) {
  float value = 1;
  std::array<float, 2> values{};
  const MutableSpan one{&value, 1, DType::kFloat32};
  const MutableSpan two{values.data(), 2, DType::kFloat32};
  expect_peer_lost([&](World& world) { world.host().all_reduce(one, one, ReduceOp::kSum); });
  expect_peer_lost([&](World& world) { world.host().reduce_scatter(two, one, ReduceOp::kSum); });
  expect_peer_lost([&](World& world) { world.host().all_gather(one, two); });
  expect_peer_lost([&](World& world) { world.host().broadcast(one, Rank{1}); });
  expect_peer_lost([&](World& world) { world.host().receive(one, Rank{1}); });
  expect_peer_lost([&](World& world) { world.host().barrier(); });
}

TEST(Loopback, RankThatLeavesEarlyIsALostPeer) {
  try {
    run_loopback(WorldSize{3}, [](World& world) {
      if (world.rank().value != 2) world.host().barrier();
    });
    FAIL() << "two of three ranks met";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kPeerLost);
  }
}

TEST(Loopback, MessagesOfARankThatHasLeftStillArrive) {
  run_loopback(WorldSize{2}, [](World& world) {
    float value = 5;
    if (world.rank().value == 1) return world.host().send({&value, 1, DType::kFloat32}, Rank{0});
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    value = 0;
    world.host().receive({&value, 1, DType::kFloat32}, Rank{1});
    EXPECT_EQ(value, 5);
  });
}

TEST(Loopback, AbortEndsTheOthersToo) {
  EXPECT_THROW(run_loopback(WorldSize{2},
                            [](World& world) {
                              if (world.rank().value == 1) return world.host().abort();
                              world.host().barrier();
                            }),
               Fault);
}

TEST(Loopback, DifferentCallsAreABugOnEveryRank) {
  std::atomic<int> bugs = 0;
  run_loopback(WorldSize{3}, [&](World& world) {
    float value = 1;
    const MutableSpan one{&value, 1, DType::kFloat32};
    try {
      if (world.rank().value == 1)
        world.host().broadcast(one, Rank{0});
      else
        world.host().all_reduce(one, one, ReduceOp::kSum);
    } catch (const Bug&) {
      ++bugs;
    }
  });
  EXPECT_EQ(bugs, 3);
}

TEST(Loopback, WorldOfOneStartsNoMpi) {
  World world = world_of_one();
  EXPECT_EQ(world.size().value, 1);
  EXPECT_TRUE(world.is_root());
  EXPECT_FALSE(world.place().host.empty());
  EXPECT_EQ(&world.device(), &world.host());
  world.host().barrier();
  EXPECT_FALSE(mpi_is_running());
}

}  // namespace
}  // namespace lockstep
