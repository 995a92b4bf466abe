// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <string>

#include "lockstep/models/batch.h"
#include "loop/compute_device.h"
#include "memory/options.h"
#include "train/options.h"

namespace lockstep {

class HostBatch;
struct HostField;

// Local. As use_device() of loop/compute_device.h, with the dtype of the config.
ComputeDevice prepare_device(const TrainOptions& options, int local_rank, const MemoryOptions& memory = {});

// Local. Why compute.autocast will be slower than float32 here; empty: nothing speaks for it.
std::string what_makes_slow(const ComputeDevice& compute);

// A field of a batch where it lies, [samples, …].
torch::Tensor on_host(const HostField& field, std::int64_t samples);
// A batch as tensors on the device, floating ones in the compute dtype. On the CPU tensors of the same dtype
// share the batch's memory.
Batch to_device(const HostBatch& batch, const ComputeDevice& compute);

}  // namespace lockstep
