// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/file_writer.h"

#include <algorithm>
#include <utility>

#include "checkpoint/digest.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {

namespace {

// Fits the cache of a core, and a system call a piece is lost in the time the disk takes.
constexpr std::size_t kPiece = 4u << 20;

constexpr std::size_t kMetadata = static_cast<std::size_t>(-1);

// A run of bytes of the file, wherever they lie in memory now.
struct Segment {
  std::uint64_t offset = 0;
  std::span<const std::byte> bytes;
  std::size_t dataset = kMetadata;
};

std::vector<Segment> segments_of(const Hdf5Layout& layout,
                                 std::span<const std::span<const std::byte>> payload) {
  std::vector<Segment> segments;
  for (const Hdf5MetadataRun& run : layout.metadata) segments.push_back({run.offset, run.bytes});
  for (std::size_t i = 0; i < payload.size(); ++i)
    if (!payload[i].empty()) segments.push_back({layout.offsets[i], payload[i], i});
  std::sort(segments.begin(), segments.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  return segments;
}

// Writes a file front to back. Small segments are gathered, so that ten thousand biases are not ten thousand
// system calls; large ones go out from where they are, in pieces that are still in the cache when the digest
// has read them. `see` gets every byte on its way.
class FrontToBack {
 public:
  explicit FrontToBack(WritableFile& file) : file_(file) {}

  template <class See>
  void put(std::span<const std::byte> bytes, See see) {
    if (bytes.size() < kPiece) {
      see(bytes);
      gathered_.insert(gathered_.end(), bytes.begin(), bytes.end());
      if (gathered_.size() >= kPiece) flush();
      return;
    }
    flush();
    for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kPiece))) {
      const auto piece = bytes.first(std::min(bytes.size(), kPiece));
      see(piece);
      write(piece);
    }
  }
  void flush() {
    if (!gathered_.empty()) write(gathered_);
    gathered_.clear();
  }
  std::uint64_t position() const { return written_ + gathered_.size(); }

 private:
  void write(std::span<const std::byte> bytes) {
    file_.write_at(written_, bytes);
    written_ += bytes.size();
  }

  WritableFile& file_;
  std::vector<std::byte> gathered_;
  std::uint64_t written_ = 0;
};

}  // namespace

WrittenFile write_hdf5_file(Disk& disk, const std::string& path, const Hdf5Plan& plan,
                            std::span<const std::span<const std::byte>> payload) {
  check(plan.datasets.size() == payload.size(), "every dataset of a plan has its bytes");
  // Laid out before the file is created: a refusal of HDF5 leaves nothing behind.
  const Hdf5Layout layout = lay_out(plan);
  const auto file = disk.create(path);
  FrontToBack out(*file);
  Hasher metadata;
  std::vector<WrittenDataset> datasets;
  for (std::size_t i = 0; i < payload.size(); ++i) datasets.push_back({layout.offsets[i], {}});
  for (const Segment& segment : segments_of(layout, payload)) {
    check(segment.offset == out.position(), "a layout covers its file without hole or overlap");
    if (segment.dataset == kMetadata) {
      out.put(segment.bytes, [&](auto bytes) { metadata.update(bytes); });
      continue;
    }
    const Hdf5Dataset& dataset = plan.datasets[segment.dataset];
    LeafDigester digester(dataset.dtype, dataset.shape);
    out.put(segment.bytes, [&](auto bytes) { digester.update(bytes); });
    datasets[segment.dataset].leaves = digester.finish();
  }
  out.flush();
  // Before the close: a close may not report what a later writeback loses.
  if (!fault_requested("guard.skip_file_sync")) file->sync();
  file->close();
  return {out.position(), metadata.digest(), std::move(datasets)};
}

}  // namespace lockstep
