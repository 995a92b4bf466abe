// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/reader.h"

#include <map>
#include <set>

#include "checkpoint/careful_read.h"
#include "checkpoint/catalog.h"
#include "checkpoint/damage.h"
#include "checkpoint/payload_pass.h"

namespace lockstep {

CheckpointReader::CheckpointReader(Disk& disk, std::string directory, Manifest manifest)
    : disk_(disk), directory_(std::move(directory)), manifest_(std::move(manifest)) {}

std::unique_ptr<CheckpointReader> CheckpointReader::open(Disk& disk, const std::string& directory) {
  const DamagePlace place{directory, kManifestFile, ""};
  const auto here = with_one_retry([&] { return disk.info(directory); });
  if (!here || !here->is_directory)
    throw CheckpointDamage({directory, "", ""},
                           here ? "not a directory (symbolic links are not followed)" : "it does not exist");
  const std::string path = directory + "/" + kManifestFile;
  if (!with_one_retry([&] { return disk.info(path); })) throw CheckpointDamage(place, "the file is missing");
  Manifest manifest;
  try {
    manifest = parse_manifest(with_one_retry([&] { return read_text(disk, path); }), kManifestFile);
  } catch (const Fault& fault) {
    if (fault.code() != ExitCode::kNoValidCheckpoint) throw;
    throw CheckpointDamage({directory, kManifestFile, ""}, fault.what());
  }
  // A copy under a name of its own claims no step.
  const auto named = step_of_directory(directory);
  if (named && *named != manifest.record.step)
    throw CheckpointDamage(place, "it belongs to step " + std::to_string(manifest.record.step.value) +
                                      ", not to this directory");
  for (const ManifestFile& file : manifest.files) open_listed(disk, directory, file);
  refuse_unlisted(disk, directory, manifest);
  return std::unique_ptr<CheckpointReader>(new CheckpointReader(disk, directory, std::move(manifest)));
}

void CheckpointReader::verify(int threads) const {
  // Through the page cache: whoever verifies a checkpoint reads it soon.
  PayloadRequest request{{}, true, {threads, /*alone=*/false}};
  for (std::size_t i = 0; i < manifest_.tensors.size(); ++i) request.tensors.push_back({i, nullptr});
  run_payload_pass(disk_, directory_, manifest_, request);
}

void CheckpointReader::read(std::span<const MutableStateTensor> tensors, bool all,
                            const ReadOptions& reading) const {
  std::map<std::string, std::size_t> stored;
  for (std::size_t i = 0; i < manifest_.tensors.size(); ++i) stored[manifest_.tensors[i].key.path()] = i;
  const auto refuse = [&](const std::string& path, const std::string& fact) {
    throw Fault(ExitCode::kConfig, "checkpoint " + directory_ + ": tensor " + path + ": " + fact,
                "Use the model and optimizer of the run that wrote it");
  };
  PayloadRequest request{{}, all, reading};
  std::set<std::string> asked;
  for (const MutableStateTensor& tensor : tensors) {
    const std::string path = tensor.key.path();
    check(asked.insert(path).second, "a tensor is read into one place");
    const auto found = stored.find(path);
    if (found == stored.end()) refuse(path, "asked for, but not in the checkpoint");
    const ManifestTensor& have = manifest_.tensors[found->second];
    const std::string difference = type_difference({have, "in the checkpoint"}, {tensor, "here"});
    if (!difference.empty()) refuse(path, difference);
    check(tensor.bytes.size() == byte_count(have), "a tensor to read into has the bytes its shape says");
    request.tensors.push_back({found->second, tensor.bytes.data()});
  }
  for (const auto& [path, index] : stored) {
    if (!all || asked.contains(path)) continue;
    // What a later part keeps is no hindrance; its bytes are compared like all others.
    if (!manifest_.tensors[index].key.in_extra())
      refuse(path, "in the checkpoint, but the model and optimizer here have no such tensor");
    request.tensors.push_back({index, nullptr});
  }
  // Nothing is filled before every request has been found to fit.
  run_payload_pass(disk_, directory_, manifest_, request);
}

}  // namespace lockstep
