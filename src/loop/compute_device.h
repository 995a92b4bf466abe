// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <optional>
#include <string>

namespace lockstep {

// Where and in what precision a rank computes.
struct ComputeDevice {
  torch::Device device{torch::kCPU};
  torch::ScalarType dtype = torch::kFloat32;
  std::optional<torch::ScalarType> autocast = {};  // what matrix products and convolutions compute in
};

struct DeviceChoice {
  std::string device = "auto";  // auto|cpu|cuda
  int threads = 1;
  bool keep_memory = true;  // on a CPU: keep_tensors() and keep_freed_memory()
};

// Local. Resolves device auto (cuda when this build and this machine have one), sets the number of threads
// and the switches that make LibTorch's bits repeat, and on a CPU keeps memory mapped that a step has freed.
// Throws Fault (69) for cuda where there is none.
torch::Device use_device(const DeviceChoice& choice, int local_rank);

// Local. The cudaStream_t that LibTorch's kernels are enqueued on; where there is a GPU.
void* current_cuda_stream();

// Local. Gives the model's parameters and floating buffers the device and dtype. Its integer buffers keep
// their dtype, as in PyTorch; in C++ Module::to() with a dtype would make floats of them.
void move_model(torch::nn::Module& model, const ComputeDevice& compute);

}  // namespace lockstep
