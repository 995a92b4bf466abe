// SPDX-License-Identifier: Apache-2.0
#include "hdf5/chunk_grid.h"

#include <algorithm>

namespace lockstep {

namespace {

std::uint64_t pieces(std::uint64_t length, std::uint64_t piece) {
  return length == 0 ? 0 : (length - 1) / piece + 1;
}

}  // namespace

std::optional<Hdf5ChunkGrid> Hdf5ChunkGrid::of(const Hdf5Extent& extent,
                                               const std::vector<std::uint64_t>& chunk) {
  Hdf5ChunkGrid grid;
  grid.chunk_ = chunk;
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    const auto dimension = static_cast<std::uint64_t>(extent.shape[i]);
    grid.dimensions_.push_back(dimension);
    grid.counts_.push_back(pieces(dimension, chunk[i]));
    grid.most_counts_.push_back(pieces(std::max(extent.most[i], dimension), chunk[i]));
    grid.order_.push_back(i);
    if (__builtin_mul_overflow(grid.count_, grid.counts_[i], &grid.count_) || grid.count_ >> 62 != 0)
      return std::nullopt;
  }
  grid.array_order_ = grid.order_;
  const auto unlimited = std::ranges::find(extent.most, kUnlimited);
  if (unlimited != extent.most.end())
    std::rotate(grid.array_order_.begin(), grid.array_order_.begin() + (unlimited - extent.most.begin()),
                grid.array_order_.begin() + (unlimited - extent.most.begin()) + 1);
  return grid;
}

std::optional<std::uint64_t> Hdf5ChunkGrid::number_at(std::span<const std::uint64_t> place) const {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < rank(); ++i) {
    if (place[i] >= counts_[i]) return std::nullopt;
    number = number * counts_[i] + place[i];
  }
  return number;
}

bool Hdf5ChunkGrid::is_edge(std::uint64_t number) const {
  const std::vector<std::uint64_t> place = place_of(number, order_, counts_);
  for (std::size_t i = 0; i < rank(); ++i)
    if (place[i] + 1 == counts_[i] && dimensions_[i] % chunk_[i] != 0) return true;
  return false;
}

std::vector<std::uint64_t> Hdf5ChunkGrid::place_in_array(std::uint64_t entry) const {
  return place_of(entry, array_order_, most_counts_);
}

std::vector<std::uint64_t> Hdf5ChunkGrid::place_of(std::uint64_t number,
                                                   const std::vector<std::size_t>& order,
                                                   const std::vector<std::uint64_t>& counts) const {
  std::vector<std::uint64_t> place(rank());
  for (std::size_t i = rank(); i-- > 1;) {
    place[order[i]] = number % counts[order[i]];
    number /= counts[order[i]];
  }
  place[order[0]] = number;
  return place;
}

}  // namespace lockstep
