// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/careful_read.h"

#include <algorithm>

#include "checkpoint/damage.h"
#include "checkpoint/index.h"

namespace lockstep {

void refuse_unlisted(Disk& disk, const std::string& directory, const Manifest& manifest) {
  for (const std::string& name : with_one_retry([&] { return disk.list(directory); })) {
    const bool ours = name == "checkpoint.h5" || name == kIndexFile ||
                      (name.starts_with("shard-") && name.ends_with(".h5"));
    const bool listed = std::any_of(manifest.files.begin(), manifest.files.end(),
                                    [&](const ManifestFile& file) { return file.name == name; });
    if (ours && !listed)
      throw CheckpointDamage({directory, name, ""}, "the manifest does not list this file");
  }
}

std::unique_ptr<ReadableFile> open_listed(Disk& disk, const std::string& directory, const ManifestFile& file,
                                          bool direct) {
  const DamagePlace place{directory, file.name, ""};
  const std::string path = directory + "/" + file.name;
  const auto info = with_one_retry([&] { return disk.info(path); });
  if (!info) throw CheckpointDamage(place, "the file is missing");
  auto opened = with_one_retry([&] { return direct ? disk.open_direct(path) : disk.open(path); });
  if (opened->size() != file.bytes)
    throw CheckpointDamage(
        place, std::to_string(opened->size()) + " bytes, the manifest says " + std::to_string(file.bytes));
  return opened;
}

}  // namespace lockstep
