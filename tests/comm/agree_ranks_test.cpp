// SPDX-License-Identifier: Apache-2.0
#include "comm/agree_suite.h"

#include "support/ranks_main.h"

namespace lockstep {
namespace {

const AgreeWorlds kRanks{"Ranks", [](const auto& body) { body(test_world()); }};

INSTANTIATE_TEST_SUITE_P(Mpi, AgreeSuite, testing::Values(kRanks),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lockstep
