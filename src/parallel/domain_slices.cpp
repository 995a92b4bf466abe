// SPDX-License-Identifier: Apache-2.0
#include "parallel/domain_slices.h"

#include <algorithm>
#include <iterator>
#include <set>

namespace lockstep {
namespace {

// The part-th of `parts` of [begin, end).
Slice part_of(Slice whole, std::size_t part, std::size_t parts) {
  const auto cut = [&](std::size_t at) {
    return whole.begin + whole.count() * static_cast<std::int64_t>(at) / static_cast<std::int64_t>(parts);
  };
  return {cut(part), cut(part + 1)};
}

// Which of `ranks` has the block.
int owner_of(std::int64_t block, std::int64_t blocks, const std::vector<int>& ranks) {
  std::size_t i = 0;
  while (part_of({0, blocks}, i, ranks.size()).end <= block) ++i;
  return ranks[i];
}

}  // namespace

DomainSlices::DomainSlices(std::int64_t count, std::int64_t block,
                           const std::vector<std::vector<int>>& domains, int rank) {
  const std::int64_t blocks = (count + block - 1) / block;
  const auto elements = [&](Slice of) { return Slice{of.begin * block, std::min(of.end * block, count)}; };
  std::size_t home = 0;
  std::set<std::int64_t> cuts;
  for (std::size_t domain = 0; domain < domains.size(); ++domain) {
    const std::vector<int>& ranks = domains[domain];
    for (std::size_t i = 0; i < ranks.size(); ++i) {
      const Slice slice = part_of({0, blocks}, i, ranks.size());
      cuts.insert({slice.begin, slice.end});
      if (ranks[i] != rank) continue;
      home = domain;
      local = elements(slice);
    }
  }
  for (auto cut = cuts.begin(); cut != cuts.end() && std::next(cut) != cuts.end(); ++cut) {
    const Slice cell{*cut, *std::next(cut)};
    if (owner_of(cell.begin, blocks, domains[home]) != rank) continue;
    const Slice mine = part_of(cell, home, domains.size());
    if (mine.count() > 0) own.push_back(elements(mine));
    for (std::size_t domain = 0; domain < domains.size(); ++domain) {
      if (domain == home) continue;
      const int other = owner_of(cell.begin, blocks, domains[domain]);
      auto peer = std::ranges::find(peers, other, &Peer::rank);
      if (peer == peers.end()) peer = peers.insert(peers.end(), Peer{other, domain, {}, {}});
      if (mine.count() > 0) peer->own.push_back(own.size() - 1);
      if (const Slice theirs = part_of(cell, domain, domains.size()); theirs.count() > 0)
        peer->theirs.push_back(elements(theirs));
    }
  }
}

}  // namespace lockstep
