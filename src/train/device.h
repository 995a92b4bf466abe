// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <string>

#include "loop/compute_device.h"
#include "train/options.h"

namespace lockstep {

struct HostBatch;

// Local. As prepare_device() of loop/compute_device.h, with the dtype of the config.
ComputeDevice prepare_device(const TrainOptions& options, int local_rank);

// A batch as tensors on the device: inputs [samples, …] (floating ones in the compute dtype), targets
// [samples, …] likewise. On the CPU tensors of the same dtype share the batch's memory.
struct DeviceBatch {
  torch::Tensor inputs;
  torch::Tensor targets;
};
DeviceBatch to_device(const HostBatch& batch, const ComputeDevice& compute);

}  // namespace lockstep
