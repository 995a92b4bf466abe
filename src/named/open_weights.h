// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "exchange/tensor_source.h"
#include "exchange/weights.h"

namespace lockstep {

// Local. `path` is a weights file, a checkpoint directory, the manifest.json in one, a run directory or its
// ckpt folder (the newest checkpoint is taken, and said), or a file of PyTorch's world: .pth of either
// layout, .safetensors, the index JSON of a sharded one. Throws as read_weights_file(),
// CheckpointReader::open() and open_foreign_weights(); 65 saying what it is for anything else.
std::unique_ptr<WeightsSource> open_weights(const std::string& path);

// Local. The same with the optimizer of a checkpoint, for comparing. `path` is a checkpoint directory, or
// whatever open_weights() reads. Throws Fault (65), (66).
std::unique_ptr<TensorSource> open_tensor_source(Disk& disk, const std::string& path);

}  // namespace lockstep
