// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/manifest.h"
#include "checkpoint/reading.h"
#include "checkpoint/state.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// One checkpoint directory whose manifest has been read and checked. Local; safe to use from one thread.
class CheckpointReader {
 public:
  // Throws Fault (65): no manifest, a damaged one, a newer format, one of another step; files missing, of
  // another length, or that the manifest does not list.
  static std::unique_ptr<CheckpointReader> open(Disk& disk, const std::string& directory);

  const std::string& directory() const { return directory_; }
  const Manifest& manifest() const { return manifest_; }
  const TrainRecord& record() const { return manifest_.record; }
  Digest state_hash() const { return manifest_.state_hash; }

  // Reads every file whole, by that many threads, and compares digests of files, tensors and state. Throws
  // Fault (65) naming file and tensor.
  void verify(int threads = 2) const;

  // Fills `tensors` and compares their digests before returning. Each must be in the checkpoint with the same
  // dtype and shape, and (when `all`) each of the checkpoint but those of extra/ must be asked for, else
  // Fault (78) that names it with the two values, and nothing is filled. With `all` everything that verify()
  // compares is compared in the same pass. After a Fault (65), (74) what was filled is not to be used.
  void read(std::span<const MutableStateTensor> tensors, bool all, const ReadOptions& reading = {}) const;

 private:
  CheckpointReader(Disk& disk, std::string directory, Manifest manifest);
  Disk& disk_;
  std::string directory_;
  Manifest manifest_;
};

}  // namespace lockstep
