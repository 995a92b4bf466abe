// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/index.h"

#include <algorithm>

#include "checkpoint/careful_read.h"
#include "checkpoint/damage.h"
#include "checkpoint/file_plan.h"
#include "checkpoint/payload_pass.h"
#include "hdf5/index_layout.h"

namespace lockstep {

namespace {

Manifest manifest_in(Disk& disk, const std::string& directory) {
  const std::string path = directory + "/" + kManifestFile;
  return parse_manifest(with_one_retry([&] { return read_text(disk, path); }), path);
}

// The bytes of index.h5, where they are those that the manifest lists.
std::vector<std::byte> listed_index(const Manifest& manifest, const std::string& directory) {
  const auto listed = std::find_if(manifest.files.begin(), manifest.files.end(),
                                   [](const ManifestFile& file) { return file.name == kIndexFile; });
  if (listed == manifest.files.end())
    throw CheckpointDamage({directory, kManifestFile, ""}, "it lists no index.h5 that could be made anew");
  std::vector<std::byte> bytes = index_file(manifest);
  if (bytes.size() != listed->bytes || digest_of(bytes) != listed->digest)
    throw CheckpointDamage({directory, kIndexFile, ""},
                           "what this Lockstep would write differs from the digest in the manifest; use the "
                           "release that wrote the checkpoint");
  return bytes;
}

}  // namespace

std::vector<std::byte> index_file(const Manifest& manifest) {
  std::vector<Hdf5IndexEntry> entries;
  for (const ManifestTensor& tensor : manifest.tensors) {
    Hdf5IndexEntry entry{{dataset_path(tensor.key), tensor.dtype, tensor.shape}, {}};
    for (const ManifestPiece& piece : tensor.pieces) entry.parts.push_back({piece.file, piece.rows});
    entries.push_back(std::move(entry));
  }
  return lay_out_index(index_groups(manifest), entries);
}

Manifest verify_all_but_index(Disk& disk, const std::string& directory) {
  Manifest manifest = manifest_in(disk, directory);
  listed_index(manifest, directory);
  refuse_unlisted(disk, directory, manifest);
  const Manifest whole = manifest;
  std::erase_if(manifest.files, [](const ManifestFile& file) { return file.name == kIndexFile; });
  PayloadRequest request{{}, true, {2, /*alone=*/false}};
  for (std::size_t i = 0; i < manifest.tensors.size(); ++i) request.tensors.push_back({i, nullptr});
  run_payload_pass(disk, directory, manifest, request);
  return whole;
}

void rebuild_index(Disk& disk, const std::string& directory) {
  const std::vector<std::byte> bytes = listed_index(manifest_in(disk, directory), directory);
  replace_text(disk, directory + "/" + kIndexFile,
               {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace lockstep
