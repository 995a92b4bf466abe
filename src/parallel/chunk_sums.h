// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lockstep/comm/world.h"

namespace lockstep {

// Sums and counts of named quantities over the chunks of an evaluation that the ranks share: the same means
// at any number of ranks. One flat array, [chunk][name][sum, count]: what is not this rank's stays zero, so
// that adding the arrays of all ranks, in any order, is exact; then chunks are added in their order, in
// double.
class ChunkSums {
 public:
  struct Part {
    double sum = 0;
    double count = 0;
  };
  using Parts = std::map<std::string, Part>;

  // Collective. What `measure` gives for each chunk, on the rank whose turn it is, and shared. Chunk c is
  // rank c mod W's; a rank without one measures the first for its names. A
  // Fault of `measure` on any rank, and other names there, all throw as AgreedFault.
  static ChunkSums measured(World& world, std::int64_t chunks,
                            const std::function<Parts(std::int64_t chunk)>& measure);

  // `names`: those of any chunk; the values are not looked at.
  ChunkSums(const Parts& names, std::int64_t chunks);

  // Local. Throws Fault (78) for other names than those of the constructor.
  void set(std::int64_t chunk, const Parts& parts);
  // Collective, once, after every chunk was set on one rank.
  void share(World& world);

  double count_of(const std::string& name) const;
  std::map<std::string, double> means() const;

 private:
  Part total(std::size_t name) const;

  std::vector<std::string> names_;
  std::vector<double> values_;
};

}  // namespace lockstep
