// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "comm/communicator_suite.h"
#include "comm/mpi/mpi_session.h"
#include "support/ranks_main.h"

namespace lockstep {
namespace {

SuiteBackend mpi() {
  return {"Whole", [](const auto& body) {
            HostMemory memory;
            body(SuiteRank{test_world().host(), memory});
          }};
}

// Every span above 256 bytes goes in pieces, as those above 1 GiB do.
SuiteBackend mpi_in_pieces() {
  return {"InPieces", [](const auto& body) {
            static const auto group = make_mpi_communicator(256);
            HostMemory memory;
            body(SuiteRank{*group, memory});
          }};
}

INSTANTIATE_TEST_SUITE_P(Mpi, CommunicatorSuite, testing::Values(mpi(), mpi_in_pieces()),
                         [](const auto& info) { return info.param.name; });

TEST(Mpi, RanksOfOneHostAreCountedAmongThemselves) {
  const Place& place = test_world().place();
  EXPECT_EQ(place.local_rank, place.rank.value);
  EXPECT_EQ(place.local_size, place.size.value);
  EXPECT_FALSE(place.host.empty());
}

}  // namespace
}  // namespace lockstep
