// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/file_writer.h"

#include <algorithm>
#include <optional>

#include "base/aligned_block.h"
#include "checkpoint/digest.h"
#include "checkpoint/file_blocks.h"
#include "checkpoint/verify_file.h"
#include "checkpoint/workers.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {

namespace {

std::uint64_t rounded_up(std::uint64_t bytes, std::size_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

// One file on its way to the disk.
class FilePass {
 public:
  FilePass(const FileContents& contents, const Hdf5Layout& layout)
      : contents_(contents), layout_(layout), segments_(segments_of(layout, contents.payload)) {
    written_.bytes = layout.file_bytes;
    for (std::size_t i = 0; i < contents.payload.size(); ++i) {
      written_.datasets.push_back({layout.offsets[i], {}});
      if (!leaves_known()) continue;
      const TensorSpec& dataset = contents.plan.datasets[i];
      check(contents.leaves[i].size() == leaf_count(dataset),
            "the known leaves of a dataset are all of its leaves");
      written_.datasets.back().leaves = contents.leaves[i];
    }
  }

  // The first ticket is all of the writing; what is left to whoever is free is to make the digests.
  void write(WritableFile& file, int writers) {
    const std::size_t digests = 1 + (leaves_known() ? 0 : contents_.payload.size());
    share_work(1 + digests, 2, [&](Tickets& tickets) {
      while (const auto ticket = tickets.next()) {
        if (*ticket == 0)
          write_blocks(file, writers);
        else if (*ticket == 1)
          digest_metadata();
        else
          digest_leaves(*ticket - 2);
      }
    });
  }

  WrittenFile take() { return std::move(written_); }

 private:
  bool leaves_known() const { return !contents_.leaves.empty(); }

  void write_blocks(WritableFile& file, int writers) {
    const std::size_t alignment = file.alignment();
    file.reserve(rounded_up(layout_.file_bytes, alignment));
    const std::vector<FileBlock> blocks = cut_into_blocks(segments_, alignment);
    share_work(blocks.size(), writers, [&](Tickets& tickets) {
      std::optional<AlignedBlock> through;
      while (const auto ticket = tickets.next()) {
        const FileBlock& block = blocks[*ticket];
        if (block.straight != nullptr) {
          file.write_at(block.offset, {block.straight, block.bytes});
          continue;
        }
        if (!through) through.emplace(std::min<std::uint64_t>(kBlockBytes, layout_.file_bytes));
        const auto bytes = through->bytes().first(rounded_up(block.bytes, alignment));
        gather(segments_, block, bytes);
        file.write_at(block.offset, bytes);
      }
    });
    // The last block was filled up with zeros.
    if (layout_.file_bytes % alignment != 0) file.truncate(layout_.file_bytes);
  }

  void digest_metadata() {
    Hasher hasher;
    for (const Hdf5MetadataRun& run : layout_.metadata) hasher.update(run.bytes);
    written_.digest = hasher.digest();
  }

  void digest_leaves(std::size_t dataset) {
    const TensorSpec& planned = contents_.plan.datasets[dataset];
    LeafDigester digester(planned);
    digester.update(contents_.payload[dataset]);
    written_.datasets[dataset].leaves = digester.finish();
  }

  const FileContents& contents_;
  const Hdf5Layout& layout_;
  std::vector<FileSegment> segments_;
  WrittenFile written_;
};

}  // namespace

WrittenFile write_hdf5_file(Disk& disk, const std::string& path, const FileContents& contents,
                            const FileWriting& writing) {
  check(contents.plan.datasets.size() == contents.payload.size(), "every dataset of a plan has its bytes");
  check(contents.leaves.empty() || contents.leaves.size() == contents.payload.size(),
        "the leaves of all datasets are known, or of none");
  WrittenFile written;
  const auto write = [&](const Hdf5Layout& layout) {
    FilePass pass(contents, layout);
    const auto file = disk.create_direct(path);
    pass.write(*file, writing.writers);
    // Before the close: a close may not report what a later writeback loses.
    if (!fault_requested("guard.skip_file_sync")) file->sync();
    file->close();
    written = pass.take();
    written.name = path.substr(path.rfind('/') + 1);
    if (writing.verify) verify_written(disk, path, {contents, layout, written}, writing.writers + 1);
  };
  // Laid out before the file is created: a refusal of HDF5 leaves nothing behind.
  if (writing.layouts != nullptr)
    writing.layouts->with_layout(contents.plan, write);
  else
    write(lay_out(contents.plan));
  return written;
}

}  // namespace lockstep
