// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <string>

#include "train/options.h"

namespace lockstep {

struct HostBatch;

// Where and in what precision a rank computes.
struct ComputeDevice {
  torch::Device device{torch::kCPU};
  torch::ScalarType dtype = torch::kFloat32;
};

// Local. Resolves device auto (cuda when this build and this machine have one), sets the number of threads
// and the switches that make LibTorch's bits repeat, and makes the local rank's GPU current. Throws Fault
// (69) for cuda where there is none.
ComputeDevice prepare_device(const TrainOptions& options, int local_rank);

// Local. Gives the model's parameters and floating buffers the device and dtype. Its integer buffers keep
// their dtype, as in PyTorch; in C++ Module::to() with a dtype would make floats of them.
void move_model(torch::nn::Module& model, const ComputeDevice& compute);

// A batch as tensors on the device: inputs [samples, …] (floating ones in the compute dtype), targets
// [samples, …] likewise. On the CPU tensors of the same dtype share the batch's memory.
struct DeviceBatch {
  torch::Tensor inputs;
  torch::Tensor targets;
};
DeviceBatch to_device(const HostBatch& batch, const ComputeDevice& compute);

}  // namespace lockstep
