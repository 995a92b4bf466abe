// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/index.h"

#include <algorithm>

#include "checkpoint/damage.h"
#include "checkpoint/file_plan.h"
#include "checkpoint/hdf5/index_layout.h"

namespace lockstep {

std::vector<std::byte> index_file(const Manifest& manifest) {
  std::vector<Hdf5IndexEntry> entries;
  for (const ManifestTensor& tensor : manifest.tensors) {
    Hdf5IndexEntry entry{{dataset_path(tensor.key), tensor.dtype, tensor.shape}, {}};
    for (const ManifestPiece& piece : tensor.pieces) entry.parts.push_back({piece.file, piece.rows});
    entries.push_back(std::move(entry));
  }
  return lay_out_index(index_groups(manifest), entries);
}

void rebuild_index(Disk& disk, const std::string& directory) {
  const std::string origin = directory + "/" + kManifestFile;
  const Manifest manifest = parse_manifest(read_text(disk, origin), origin);
  const auto listed = std::find_if(manifest.files.begin(), manifest.files.end(),
                                   [](const ManifestFile& file) { return file.name == kIndexFile; });
  if (listed == manifest.files.end())
    throw CheckpointDamage({directory, kManifestFile, ""}, "it lists no index.h5 that could be made anew");
  const std::vector<std::byte> bytes = index_file(manifest);
  if (bytes.size() != listed->bytes || digest_of(bytes) != listed->digest)
    throw CheckpointDamage({directory, kIndexFile, ""},
                           "what this Lockstep would write differs from the digest in the manifest; use the "
                           "release that wrote the checkpoint");
  replace_text(disk, directory + "/" + kIndexFile,
               {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace lockstep
