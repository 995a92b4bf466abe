// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/verify_file.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/aligned_block.h"
#include "checkpoint/digest.h"
#include "checkpoint/file_blocks.h"
#include "checkpoint/workers.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw Fault(
      ExitCode::kStorage, fmt::format("{}: {} reads back other than it was written", path, what),
      "The disk loses or changes what it is given: see the system log (dmesg) before trusting it again");
}

// Whole leaves or a run of metadata, read at once.
struct Part {
  const FileSegment* segment = nullptr;
  std::uint64_t begin = 0;  // in the segment
  std::uint64_t end = 0;
};
using Unit = std::vector<Part>;

std::vector<Unit> units_of(std::span<const FileSegment> segments, const Hdf5Plan& plan) {
  std::vector<Unit> units;
  std::uint64_t filled = kBlockBytes;
  for (const FileSegment& segment : segments) {
    std::uint64_t step = segment.bytes.size();
    if (segment.dataset != FileSegment::kMetadata) {
      const std::uint64_t leaf = leaf_bytes(plan.datasets[segment.dataset]);
      step = std::max<std::uint64_t>(kBlockBytes / leaf, 1) * leaf;
    }
    for (std::uint64_t begin = 0; begin < segment.bytes.size(); begin += step) {
      const std::uint64_t end = std::min<std::uint64_t>(begin + step, segment.bytes.size());
      if (filled + (end - begin) > kBlockBytes) {
        units.emplace_back();
        filled = 0;
      }
      units.back().push_back({&segment, begin, end});
      filled += end - begin;
    }
  }
  return units;
}

bool leaves_match(const Part& part, std::span<const std::byte> bytes, const ExpectedFile& expected) {
  const TensorSpec& dataset = expected.contents.plan.datasets[part.segment->dataset];
  const auto& leaves = expected.written.datasets[part.segment->dataset].leaves;
  const std::uint64_t leaf = leaf_bytes(dataset);
  for (std::uint64_t at = 0; at < bytes.size(); at += leaf)
    if (digest_of(bytes.subspan(at, std::min<std::uint64_t>(leaf, bytes.size() - at))) !=
        leaves[(part.begin + at) / leaf])
      return false;
  return true;
}

}  // namespace

void verify_written(Disk& disk, const std::string& path, const ExpectedFile& expected, int readers) {
  const auto file = disk.open_direct(path);
  if (file->size() != expected.written.bytes) refuse(path, "its length");
  const auto segments = segments_of(expected.layout, expected.contents.payload);
  const std::vector<Unit> units = units_of(segments, expected.contents.plan);
  share_work(units.size(), readers, [&](Tickets& tickets) {
    AlignedBlock block(0);
    while (const auto ticket = tickets.next()) {
      const Unit& unit = units[*ticket];
      const std::uint64_t first = unit.front().segment->offset + unit.front().begin;
      const std::uint64_t end = unit.back().segment->offset + unit.back().end;
      const std::uint64_t from = first - first % kDirectAlignment;
      if (block.bytes().size() < end - from)
        block = AlignedBlock(std::max<std::uint64_t>(end - from, kBlockBytes + 2 * kDirectAlignment));
      file->read_at(from, block.bytes().first(end - from));
      for (const Part& part : unit) {
        const auto read = std::span<const std::byte>(block.bytes())
                              .subspan(part.segment->offset + part.begin - from, part.end - part.begin);
        if (part.segment->dataset == FileSegment::kMetadata) {
          if (!std::ranges::equal(read, part.segment->bytes)) refuse(path, "its metadata");
        } else if (!leaves_match(part, read, expected)) {
          refuse(path, expected.contents.plan.datasets[part.segment->dataset].name);
        }
      }
    }
  });
}

void verify_bytes(Disk& disk, const std::string& path, std::span<const std::byte> expected) {
  const auto file = disk.open_direct(path);
  if (file->size() != expected.size()) refuse(path, "its length");
  std::vector<std::byte> read(expected.size());
  file->read_at(0, read);
  if (!std::ranges::equal(read, expected)) refuse(path, "its text");
}

}  // namespace lockstep
