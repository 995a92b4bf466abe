// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/state.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// By its key in the model.
struct WeightsTensor : StateSpec {
  std::string alias_of;       // another name of the same bytes (tied weights); empty where this is the first
  std::string obstacle = {};  // why it cannot be read; then dtype and shape may say nothing
};

// The model part of a weights file or of a checkpoint: for evaluation, prediction and model.weights. Local;
// one thread at a time.
class WeightsSource {
 public:
  virtual ~WeightsSource() = default;

  // Sorted by name.
  virtual const std::vector<WeightsTensor>& tensors() const = 0;
  // Of the training that made them, where the file says so.
  virtual std::optional<Step> step() const = 0;
  // Fills `bytes`, which must be as many as the tensor has (Bug). Throws Fault (65) when there is no such
  // tensor or its bytes differ from the digest kept with them, (74) on a read error.
  virtual void read(const std::string& name, std::span<std::byte> bytes) const = 0;
};

// A weights-only HDF5 file, ours or anybody's with contiguous datasets in /model; the /model of a
// checkpoint.h5 likewise. The file may be hostile: sizes are compared with its length before anything is
// allocated, and nothing outside it is opened. Throws Fault (65), (66) when it is not there.
std::unique_ptr<WeightsSource> read_weights_file(const std::string& path);
// The same from an open file; `path` is for messages only.
std::unique_ptr<WeightsSource> read_weights_file(std::shared_ptr<const ReadableFile> file,
                                                 const std::string& path);

// The model part of the checkpoint in `directory`, read by its manifest. Throws as CheckpointReader::open().
std::unique_ptr<WeightsSource> checkpoint_weights(const std::string& directory);

}  // namespace lockstep
