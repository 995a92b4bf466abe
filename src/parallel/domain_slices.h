// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "tensors/slice.h"

namespace lockstep {

// Who sums which elements of a flat tensor, where ranks lie in domains of any size. Each domain cuts all of
// them among its ranks: `local` is what this rank sums of its domain. A stretch that one rank of each domain
// has so is cut once more, into a part for each of them: of its own part a rank gets what the others have
// summed, and so has the whole sum first; what it makes of that it gives them. So between domains each
// element travels as in a reduce-scatter and an all-gather, whatever the domains' sizes.
//
// A pure function of its arguments: all ranks know who sends what. Cuts lie at multiples of `block`.
struct DomainSlices {
  // `domains`: the ranks of each.
  DomainSlices(std::int64_t count, std::int64_t block, const std::vector<std::vector<int>>& domains,
               int rank);

  // What goes to and fro between this rank and another of another domain.
  struct Peer {
    int rank;
    std::size_t domain;
    std::vector<std::size_t> own;  // which of `own` it needs, too
    std::vector<Slice> theirs;     // of `local`: its own
  };

  Slice local;
  std::vector<Slice> own;  // ascending, without empty ones
  std::vector<Peer> peers;
};

}  // namespace lockstep
