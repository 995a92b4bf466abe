// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "hdf5/layout.h"

namespace lockstep {

// One write. Measured: 8 MiB are a little faster than 4, 1 MiB a tenth slower (docs/decisions/0012).
inline constexpr std::size_t kBlockBytes = 8u << 20;
// A copy of less is cheaper than a write of its own.
inline constexpr std::size_t kStraightFrom = 1u << 20;

// A run of bytes of a file, wherever they lie in memory now.
struct FileSegment {
  static constexpr std::size_t kMetadata = static_cast<std::size_t>(-1);

  std::uint64_t offset = 0;
  std::span<const std::byte> bytes;
  std::size_t dataset = kMetadata;  // of the plan

  std::uint64_t end() const { return offset + bytes.size(); }
};

// Local. All of a file, in its order; empty datasets have none. `payload` and `layout` own the bytes. Throws
// Bug unless they cover the file without hole or overlap.
std::vector<FileSegment> segments_of(const Hdf5Layout& layout,
                                     std::span<const std::span<const std::byte>> payload);

// Bytes of a file that are written at once.
struct FileBlock {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  const std::byte* straight = nullptr;  // where they lie, in one piece; null: they have to be gathered
  std::size_t first_segment = 0;        // the segment that `offset` is in

  std::uint64_t end() const { return offset + bytes; }
};

// Local. A file cut in blocks that start, but for nothing else, at multiples of `alignment`; only the last
// may end elsewhere. Large tensors whose memory is so aligned are straight, but for their heads and tails.
std::vector<FileBlock> cut_into_blocks(std::span<const FileSegment> segments, std::size_t alignment);

// Local. Copies the bytes [offset, offset + into.size()) of the file; what is behind its end becomes zero.
void gather(std::span<const FileSegment> segments, const FileBlock& block, std::span<std::byte> into);

}  // namespace lockstep
