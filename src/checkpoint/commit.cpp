// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/commit.h"

#include <map>

#include "checkpoint/catalog.h"
#include "checkpoint/digest.h"
#include "checkpoint/file_plan.h"
#include "checkpoint/index.h"
#include "checkpoint/verify_file.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {

namespace {

// The switch is for the test that shows what a power cut takes without it.
void sync_directory(Disk& disk, const std::string& path) {
  if (!fault_requested("guard.skip_directory_sync")) disk.sync_directory(path);
}

}  // namespace

Manifest assemble_manifest(const PlannedState& state, std::span<const WrittenFile> shards) {
  check(shards.size() == state.plan.shards.size(), "every shard of the plan was written");
  Manifest manifest;
  manifest.record = *state.record;
  manifest.layout = state.plan.layout;
  for (const StateTensor& tensor : state.tensors) manifest.tensors.push_back({tensor});
  std::vector<std::vector<Digest>> leaves(state.tensors.size());  // of the rows of each, in order
  for (std::size_t s = 0; s < shards.size(); ++s) {
    manifest.files.push_back(shards[s]);
    const auto& pieces = state.plan.shards[s].pieces;
    check(shards[s].datasets.size() == pieces.size(), "a shard holds the pieces of its plan");
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const auto& [number, first_row, rows] = pieces[i];
      const WrittenDataset& written = shards[s].datasets[i];
      ManifestTensor& tensor = manifest.tensors[number];
      const Digest digest = digest_of_leaves(rows_of(tensor, rows), written.leaves);
      tensor.pieces.push_back({shards[s].name, written.offset, first_row, rows, digest});
      leaves[number].insert(leaves[number].end(), written.leaves.begin(), written.leaves.end());
    }
  }
  std::map<std::string, Digest> digests;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    ManifestTensor& tensor = manifest.tensors[i];
    tensor.digest = digests[tensor.key.path()] = digest_of_leaves(tensor, leaves[i]);
  }
  manifest.state_hash = state_hash(state.record->step, digests);
  return manifest;
}

// Without staging, the test that shows what it is for has the files under the name that counts.
StagedCheckpoint::StagedCheckpoint(Disk& disk, CommitPlace place, const FileWriting& writing)
    : disk_(disk), place_(std::move(place)), writing_(writing) {
  if (fault_requested("guard.skip_staging")) place_.staging = place_.directory + "/" + place_.name;
}

void StagedCheckpoint::write_synced(const std::string& path, std::span<const std::byte> bytes) {
  const auto file = disk_.create(path);
  file->write_at(0, bytes);
  file->sync();
  file->close();
  if (writing_.verify) verify_bytes(disk_, path, bytes);
}

void StagedCheckpoint::begin() {
  // A save that failed before, in this life, may have left one it could not remove.
  remove_tree(disk_, place_.staging);
  disk_.make_directory(place_.staging);
}

WrittenFile StagedCheckpoint::write(const PlannedState& state, std::size_t shard,
                                    std::span<const std::vector<Digest>> leaves) {
  const ShardPlan::Shard& plan = state.plan.shards[shard];
  std::vector<StateTensor> pieces;
  std::vector<std::span<const std::byte>> payload;
  for (const ShardPiece& piece : plan.pieces) {
    pieces.push_back(piece_of(state.tensors, piece));
    payload.push_back(pieces.back().bytes);
  }
  const Hdf5Plan file = plan_checkpoint_file(*state.record, pieces);
  WrittenFile written =
      write_hdf5_file(disk_, place_.staging + "/" + plan.file, {file, payload, leaves}, writing_);
  fault_point("ckpt.after_shard");
  return written;
}

Committed StagedCheckpoint::commit(const PlannedState& state, std::span<const WrittenFile> shards) {
  Manifest manifest = assemble_manifest(state, shards);
  if (manifest.layout == kSharded) {
    const std::vector<std::byte> index = index_file(manifest);
    write_synced(place_.staging + "/" + kIndexFile, index);
    manifest.files.push_back({kIndexFile, index.size(), digest_of(index)});
    fault_point("ckpt.after_index");
  }
  const std::string text = write_manifest(manifest);
  write_synced(place_.staging + "/" + kManifestFile, std::as_bytes(std::span(text)));
  fault_point("ckpt.after_manifest");
  // The names in the staging directory must be there before the rename makes them count.
  sync_directory(disk_, place_.staging);
  fault_point("ckpt.before_rename");
  disk_.rename(place_.staging, place_.directory + "/" + place_.name);
  fault_point("ckpt.after_rename");
  sync_directory(disk_, place_.directory);
  Committed committed{place_.name, *manifest_digest(text), manifest.state_hash, text.size()};
  for (const ManifestFile& file : manifest.files) committed.bytes += file.bytes;
  return committed;
}

void StagedCheckpoint::abandon() noexcept {
  if (fault_requested("guard.skip_cleanup")) return;
  try {
    remove_tree(disk_, place_.staging);
  } catch (const Fault&) {
  }
}

}  // namespace lockstep
