// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/file_writer.h"

#include <algorithm>

#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {

namespace {

// Fits the cache of a core, and a system call a piece is lost in the time the disk takes.
constexpr std::size_t kPiece = 4u << 20;

// A run of bytes of the file, wherever they lie in memory now.
struct Segment {
  std::uint64_t offset = 0;
  std::span<const std::byte> bytes;
};

std::vector<Segment> segments_of(const Hdf5Layout& layout, std::span<const StateTensor> tensors) {
  std::vector<Segment> segments;
  for (const Hdf5MetadataRun& run : layout.metadata) segments.push_back({run.offset, run.bytes});
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (!tensors[i].bytes.empty()) segments.push_back({layout.offsets[i], tensors[i].bytes});
  std::sort(segments.begin(), segments.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  return segments;
}

// Writes a file front to back. Small segments are gathered, so that ten thousand biases are not ten thousand
// system calls; large ones go out from where they are, in pieces that are still in the cache when the digest
// has read them.
class FrontToBack {
 public:
  explicit FrontToBack(WritableFile& file) : file_(file) {}

  void put(std::span<const std::byte> bytes) {
    if (bytes.size() < kPiece) {
      gathered_.insert(gathered_.end(), bytes.begin(), bytes.end());
      if (gathered_.size() >= kPiece) flush();
      return;
    }
    flush();
    for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kPiece)))
      write(bytes.first(std::min(bytes.size(), kPiece)));
  }
  void flush() {
    if (!gathered_.empty()) write(gathered_);
    gathered_.clear();
  }
  std::uint64_t position() const { return written_ + gathered_.size(); }
  Digest digest() const { return hasher_.digest(); }

 private:
  void write(std::span<const std::byte> bytes) {
    hasher_.update(bytes);
    file_.write_at(written_, bytes);
    written_ += bytes.size();
  }

  WritableFile& file_;
  Hasher hasher_;
  std::vector<std::byte> gathered_;
  std::uint64_t written_ = 0;
};

}  // namespace

WrittenFile write_hdf5_file(Disk& disk, const std::string& path, const Hdf5Plan& plan,
                            std::span<const StateTensor> tensors) {
  check(plan.datasets.size() == tensors.size(), "a plan has one dataset a tensor");
  for (const StateTensor& tensor : tensors)
    check(tensor.bytes.size() ==
              static_cast<std::uint64_t>(element_count(tensor.shape)) * size_of(tensor.dtype),
          "a tensor has the bytes its shape says");
  // Laid out before the file is created: a refusal of HDF5 leaves nothing behind.
  const Hdf5Layout layout = lay_out(plan);
  const auto file = disk.create(path);
  FrontToBack out(*file);
  for (const Segment& segment : segments_of(layout, tensors)) {
    check(segment.offset == out.position(), "a layout covers its file without hole or overlap");
    out.put(segment.bytes);
  }
  out.flush();
  // Before the close: a close may not report what a later writeback loses.
  if (!fault_requested("guard.skip_file_sync")) file->sync();
  file->close();
  return {out.position(), out.digest(), layout.offsets};
}

}  // namespace lockstep
