// SPDX-License-Identifier: Apache-2.0
#include "comm/agree_suite.h"

#include "comm/loopback/loopback_world.h"

namespace lockstep {
namespace {

AgreeWorlds threads(int ranks) {
  return {"Loopback" + std::to_string(ranks),
          [ranks](const auto& body) { run_loopback(WorldSize{ranks}, body); }};
}

INSTANTIATE_TEST_SUITE_P(Loopback, AgreeSuite, testing::Values(threads(1), threads(2), threads(4)),
                         [](const auto& info) { return info.param.name; });

TEST(Together, LetsABugThroughOnItsRankOnly) {
  int lost = 0;
  EXPECT_THROW(run_loopback(WorldSize{2},
                            [&](World& world) {
                              try {
                                together(world, [&] { check(world.rank().value == 0, "a contract"); });
                              } catch (const Fault& fault) {
                                EXPECT_EQ(fault.code(), ExitCode::kPeerLost);
                                ++lost;
                              }
                            }),
               Bug);
  EXPECT_EQ(lost, 1);
}

}  // namespace
}  // namespace lockstep
