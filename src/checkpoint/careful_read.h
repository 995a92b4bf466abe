// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "checkpoint/manifest.h"
#include "lockstep/base/disk.h"
#include "lockstep/base/error.h"

namespace lockstep {

// Runs `read` again after a first storage error: a transient one of a network file system costs no
// checkpoint.
template <class Read>
auto with_one_retry(Read read) {
  try {
    return read();
  } catch (const Fault& fault) {
    if (fault.code() != ExitCode::kStorage) throw;
  }
  return read();
}

// Local. Opens a file of a checkpoint; `direct` as Disk::open_direct(). Throws CheckpointDamage when it is
// missing or of another length than the manifest says: both cost nothing to see, and a truncated file is the
// commonest damage.
std::unique_ptr<ReadableFile> open_listed(Disk& disk, const std::string& directory, const ManifestFile& file,
                                          bool direct = false);

// Local. Throws CheckpointDamage when a file of ours is there that the manifest does not list: it comes from
// another save, as may the manifest.
void refuse_unlisted(Disk& disk, const std::string& directory, const Manifest& manifest);

}  // namespace lockstep
