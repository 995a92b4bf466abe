// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "exchange/weights.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// The bytes of one tensor from first to last, whatever files they lie in. Local.
class TensorStream {
 public:
  virtual ~TensorStream() = default;
  // Fills all of `into` with the next bytes. Throws Fault (65) with the last of them when the tensor does not
  // match its digest; (74).
  virtual void next(std::span<std::byte> into) = 0;
};

// Everything that can be compared with something: a checkpoint, read piece by piece in bounded memory, or a
// weights file, one whole tensor in memory at a time. Local; one thread at a time.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  // Sorted by path.
  virtual const std::vector<WeightsTensor>& tensors() const = 0;
  // Without optimizer and record.
  virtual bool weights_only() const = 0;
  // `tensor` counts in tensors().
  virtual std::unique_ptr<TensorStream> stream(std::size_t tensor) const = 0;
};

// Local. All of the checkpoint in `directory`. Throws as CheckpointReader::open().
std::unique_ptr<TensorSource> checkpoint_tensors(Disk& disk, const std::string& directory);

std::unique_ptr<TensorSource> weights_tensors(std::unique_ptr<WeightsSource> weights);

}  // namespace lockstep
