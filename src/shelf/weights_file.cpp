// SPDX-License-Identifier: Apache-2.0
#include "shelf/weights_file.h"

#include "checkpoint/file_plan.h"
#include "checkpoint/file_writer.h"

namespace lockstep {

void write_weights(Disk& disk, const CheckpointReader& from, const std::string& path) {
  std::vector<std::vector<std::byte>> memory;
  std::vector<MutableStateTensor> into;
  std::vector<StateTensor> tensors;
  for (const ManifestTensor& tensor : from.manifest().tensors) {
    if (!tensor.key.in_model()) continue;
    memory.emplace_back(byte_count(tensor));
    into.push_back({tensor, memory.back()});
    tensors.push_back({tensor, memory.back()});
  }
  // Each is compared with its digest here, so that no damage is copied into a file that then looks whole.
  from.read(into, /*all=*/false);
  // Beside the target, because a rename is atomic within a file system only.
  const std::string part = path + ".part";
  remove_tree(disk, part);
  std::vector<std::span<const std::byte>> payload(memory.begin(), memory.end());
  write_hdf5_file(disk, part, {plan_weights_file(from.manifest(), tensors), payload}, {});
  disk.rename(part, path);
  disk.sync_directory(parent_of(path));
}

}  // namespace lockstep
