// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/file_blocks.h"

#include <algorithm>
#include <cstring>

#include "lockstep/base/error.h"

namespace lockstep {

namespace {

class Cutter {
 public:
  Cutter(std::span<const FileSegment> segments, std::size_t alignment)
      : segments_(segments), alignment_(alignment) {}

  std::vector<FileBlock> cut() {
    for (const FileSegment& segment : segments_) {
      const std::size_t body = straight_bytes(segment);
      if (body == 0) continue;
      add_until(segment.offset, nullptr);
      add_until(segment.offset + body, segment.bytes.data());
    }
    if (!segments_.empty()) add_until(segments_.back().end(), nullptr);
    return std::move(blocks_);
  }

 private:
  std::size_t straight_bytes(const FileSegment& segment) const {
    const auto address = reinterpret_cast<std::uintptr_t>(segment.bytes.data());
    const std::size_t size = segment.bytes.size();
    if (size < kStraightFrom || (segment.offset | address) % alignment_ != 0) return 0;
    return size - size % alignment_;
  }

  // `straight` is where the bytes at the end of the last block lie.
  void add_until(std::uint64_t end, const std::byte* straight) {
    while (at_ < end) {
      const std::uint64_t bytes = std::min<std::uint64_t>(end - at_, kBlockBytes);
      while (segments_[segment_].end() <= at_) ++segment_;
      blocks_.push_back({at_, bytes, straight, segment_});
      if (straight != nullptr) straight += bytes;
      at_ += bytes;
    }
  }

  std::span<const FileSegment> segments_;
  std::size_t alignment_;
  std::vector<FileBlock> blocks_;
  std::uint64_t at_ = 0;
  std::size_t segment_ = 0;
};

}  // namespace

std::vector<FileSegment> segments_of(const Hdf5Layout& layout,
                                     std::span<const std::span<const std::byte>> payload) {
  std::vector<FileSegment> segments;
  for (const Hdf5MetadataRun& run : layout.metadata)
    segments.push_back({run.offset, run.bytes, FileSegment::kMetadata});
  for (std::size_t i = 0; i < payload.size(); ++i)
    if (!payload[i].empty()) segments.push_back({layout.offsets[i], payload[i], i});
  std::sort(segments.begin(), segments.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  std::uint64_t at = 0;
  for (const FileSegment& segment : segments) {
    check(segment.offset == at, "a layout covers its file without hole or overlap");
    at = segment.end();
  }
  check(at == layout.file_bytes, "a layout covers its file to the end");
  return segments;
}

std::vector<FileBlock> cut_into_blocks(std::span<const FileSegment> segments, std::size_t alignment) {
  return Cutter(segments, alignment).cut();
}

void gather(std::span<const FileSegment> segments, const FileBlock& block, std::span<std::byte> into) {
  std::uint64_t at = block.offset;
  for (std::size_t s = block.first_segment; s < segments.size() && !into.empty(); ++s) {
    const auto bytes = segments[s].bytes.subspan(at - segments[s].offset);
    const std::size_t n = std::min(bytes.size(), into.size());
    std::memcpy(into.data(), bytes.data(), n);
    into = into.subspan(n);
    at += n;
  }
  std::fill(into.begin(), into.end(), std::byte{0});
}

}  // namespace lockstep
