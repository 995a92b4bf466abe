// SPDX-License-Identifier: Apache-2.0
#include "parallel/domain_slices.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace lockstep {
namespace {

using Domains = std::vector<std::vector<int>>;

std::vector<Domains> layouts() {
  return {{{0}},
          {{0, 1, 2}},
          {{0}, {1}},
          {{0, 1}, {2}},
          {{0, 2}, {1, 3}},
          {{0}, {1}, {2}},
          {{0, 1, 2, 3}, {4, 5}},
          {{1, 2, 3}, {0, 4}},
          {{0, 1}, {2, 3, 4}, {5}}};
}

int count_of(const Domains& domains) {
  int count = 0;
  for (const auto& ranks : domains) count += static_cast<int>(ranks.size());
  return count;
}

TEST(DomainSlices, GiveEachElementToOneRankOfTheWorldAndToOneOfEachDomain) {
  for (const Domains& domains : layouts())
    for (const std::int64_t count : {1, 63, 64, 65, 700, 6400, 6401}) {
      std::vector<int> owned(static_cast<std::size_t>(count));
      for (const auto& ranks : domains) {
        std::vector<int> summed(static_cast<std::size_t>(count));
        for (const int rank : ranks) {
          const DomainSlices slices(count, 64, domains, rank);
          for (std::int64_t i = slices.local.begin; i < slices.local.end; ++i)
            ++summed[static_cast<std::size_t>(i)];
          for (const Slice& own : slices.own) {
            EXPECT_TRUE(own.count() > 0 && own.begin >= slices.local.begin && own.end <= slices.local.end);
            EXPECT_EQ(own.begin % 64, 0);
            for (std::int64_t i = own.begin; i < own.end; ++i) ++owned[static_cast<std::size_t>(i)];
          }
        }
        EXPECT_EQ(std::ranges::count(summed, 1), count);
      }
      EXPECT_EQ(std::ranges::count(owned, 1), count);
    }
}

TEST(DomainSlices, SendWhatTheOtherExpects) {
  for (const Domains& domains : layouts())
    for (int rank = 0; rank < count_of(domains); ++rank) {
      const DomainSlices here(6401, 64, domains, rank);
      for (const DomainSlices::Peer& peer : here.peers) {
        const DomainSlices there(6401, 64, domains, peer.rank);
        const auto me = std::ranges::find(there.peers, rank, &DomainSlices::Peer::rank);
        ASSERT_NE(me, there.peers.end());
        std::vector<Slice> expected;
        for (const std::size_t own : me->own) expected.push_back(there.own[own]);
        EXPECT_EQ(peer.theirs, expected);
      }
    }
}

// Each rank of every other domain, or of those with which it shares a stretch.
TEST(DomainSlices, OfAnOwnStretchEveryOtherDomainSendsItsSum) {
  for (const Domains& domains : layouts())
    for (int rank = 0; rank < count_of(domains); ++rank) {
      const DomainSlices slices(6401, 64, domains, rank);
      std::map<std::size_t, std::size_t> senders;
      for (const DomainSlices::Peer& peer : slices.peers)
        for (const std::size_t own : peer.own) ++senders[own];
      for (std::size_t own = 0; own < slices.own.size(); ++own) EXPECT_EQ(senders[own], domains.size() - 1);
    }
}

}  // namespace
}  // namespace lockstep
