// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "hdf5/messages.h"

namespace lockstep {

// How an array is cut into chunks. They are numbered with the last dimension fastest.
class Hdf5ChunkGrid {
 public:
  // As many edges as dimensions, none of them 0; dimensions of at least 1. Empty when there are 2^62 chunks
  // or more.
  static std::optional<Hdf5ChunkGrid> of(const Hdf5Extent& extent, const std::vector<std::uint64_t>& chunk);

  std::size_t rank() const { return chunk_.size(); }
  std::uint64_t count() const { return count_; }
  // Chunks along each dimension, and elements of one.
  const std::vector<std::uint64_t>& counts() const { return counts_; }
  const std::vector<std::uint64_t>& chunk() const { return chunk_; }

  // The number of the chunk at that place, in chunks; empty when it lies outside.
  std::optional<std::uint64_t> number_at(std::span<const std::uint64_t> place) const;
  // Whether it reaches beyond the array.
  bool is_edge(std::uint64_t number) const;
  // Indexes that are arrays number chunks by how long dimensions may become, the one without a limit slowest.
  // Places, in chunks, that are outside the array as it is are given as well.
  std::vector<std::uint64_t> place_in_array(std::uint64_t entry) const;

 private:
  std::vector<std::uint64_t> place_of(std::uint64_t number, const std::vector<std::size_t>& order,
                                      const std::vector<std::uint64_t>& counts) const;

  std::vector<std::uint64_t> dimensions_;
  std::vector<std::uint64_t> chunk_;
  std::vector<std::uint64_t> counts_;
  std::vector<std::uint64_t> most_counts_;
  std::vector<std::size_t> order_;        // dimensions, slowest first
  std::vector<std::size_t> array_order_;  // the same for an index that is an array
  std::uint64_t count_ = 1;
};

}  // namespace lockstep
