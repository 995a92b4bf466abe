// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "checkpoint/manifest.h"
#include "checkpoint/reading.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// What a pass over a checkpoint's files is to do.
struct PayloadRequest {
  struct Tensor {
    std::size_t index = 0;      // of the manifest's tensors
    std::byte* into = nullptr;  // where all its bytes go; null: they are only compared with their digests
  };
  std::vector<Tensor> tensors;
  // `tensors` are all there are: the bytes between them and the state hash are compared too.
  bool whole = false;
  ReadOptions reading;
};

// Local. Reads every byte that is asked for once, hashes it while a core's cache has it, and compares the
// digests of pieces, tensors and files. Large tensors are read in parts, small ones many at a time, by
// threads that end before it returns. Throws CheckpointDamage naming file and tensor, the first in the order
// of the files, or the Fault of a read that failed twice; then what it filled is not to be used.
void run_payload_pass(Disk& disk, const std::string& directory, const Manifest& manifest,
                      const PayloadRequest& request);

}  // namespace lockstep
