// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/commit.h"

#include <algorithm>

#include "checkpoint/catalog.h"
#include "checkpoint/file_plan.h"
#include "checkpoint/file_writer.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {

namespace {

constexpr const char* kDataFile = "checkpoint.h5";

// The switch is for the test that shows what a power cut takes without it.
void sync_directory(Disk& disk, const std::string& path) {
  if (!fault_requested("guard.skip_directory_sync")) disk.sync_directory(path);
}

Manifest make_manifest(const DigestedState& state, const WrittenFile& file) {
  Manifest manifest;
  manifest.record = *state.record;
  manifest.state_hash = state.hash;
  manifest.files.push_back({kDataFile, file.bytes, file.digest});
  for (std::size_t i = 0; i < state.tensors.size(); ++i) {
    const StateTensor& tensor = state.tensors[i];
    manifest.tensors.push_back(
        {tensor.key, tensor.dtype, tensor.shape, kDataFile, file.offsets[i], state.digests[i]});
  }
  return manifest;
}

void write_synced(Disk& disk, const std::string& path, const std::string& text) {
  const auto file = disk.create(path);
  file->write_at(0, std::as_bytes(std::span(text)));
  file->sync();
  file->close();
}

Committed write_staging(Disk& disk, const std::string& staging, const DigestedState& state) {
  // A save that failed before, in this life, may have left one it could not remove.
  remove_tree(disk, staging);
  disk.make_directory(staging);
  const Hdf5Plan plan = plan_checkpoint_file(*state.record, state.tensors);
  const WrittenFile file = write_hdf5_file(disk, staging + "/" + kDataFile, plan, state.tensors);
  fault_point("ckpt.after_shard");
  const std::string text = write_manifest(make_manifest(state, file));
  write_synced(disk, staging + "/" + kManifestFile, text);
  fault_point("ckpt.after_manifest");
  // The names in the staging directory must be there before the rename makes them count.
  sync_directory(disk, staging);
  return {step_directory(state.record->step), *manifest_digest(text), file.bytes + text.size()};
}

}  // namespace

DigestedState digest_state(const CheckpointState& state) {
  DigestedState out{&state.record, state.tensors, {}, {}};
  std::sort(out.tensors.begin(), out.tensors.end(),
            [](const auto& a, const auto& b) { return a.key.path() < b.key.path(); });
  std::map<std::string, Digest> by_path;
  for (const StateTensor& tensor : out.tensors) {
    out.digests.push_back(tensor_digest(tensor.dtype, tensor.shape, tensor.bytes));
    check(by_path.emplace(tensor.key.path(), out.digests.back()).second,
          "every tensor of a state has a path of its own");
  }
  out.hash = state_hash(state.record.step, by_path);
  return out;
}

Committed commit_checkpoint(Disk& disk, const std::string& directory, const DigestedState& state) {
  const std::string name = step_directory(state.record->step);
  const bool in_place = fault_requested("guard.skip_staging");
  const std::string staging = directory + (in_place ? "/" : "/.staging-") + name;
  Committed committed;
  try {
    committed = write_staging(disk, staging, state);
    fault_point("ckpt.before_rename");
    disk.rename(staging, directory + "/" + name);
  } catch (...) {
    // A full disk needs its room back at once. What cannot be removed now, prepare() removes at the next
    // start.
    try {
      if (!fault_requested("guard.skip_cleanup")) remove_tree(disk, staging);
    } catch (const Fault&) {
    }
    throw;
  }
  fault_point("ckpt.after_rename");
  sync_directory(disk, directory);
  return committed;
}

}  // namespace lockstep
