// SPDX-License-Identifier: Apache-2.0
#include "loop/compute_device.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <fmt/format.h>

#include "lockstep/base/error.h"
#include "memory/malloc_settings.h"
#include "parallel/tensor_rules.h"
#include "tensors/kept_tensors.h"

namespace lockstep {
namespace {

torch::Device resolve(const std::string& wanted, int local_rank) {
  const bool cuda = torch::cuda::is_available();
  if (wanted == "cuda" && !cuda)
    throw Fault(ExitCode::kCannotStart, "train.device is cuda, but LibTorch finds no CUDA device",
                "Check the driver (nvidia-smi) and that this is a CUDA build, or set train.device=cpu");
  if (!cuda || wanted == "cpu") return torch::kCPU;
  const auto devices = static_cast<int>(torch::cuda::device_count());
  if (local_rank >= devices)
    throw Fault(ExitCode::kCannotStart,
                fmt::format("local rank {} has no GPU of its own: this host has {}", local_rank, devices),
                fmt::format("Start at most {} ranks a host", devices));
  return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(local_rank));
}

void keep_memory() {
  keep_tensors();
  keep_freed_memory();
}

}  // namespace

torch::Device use_device(const DeviceChoice& choice, int local_rank) {
  at::set_num_threads(choice.threads);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  const torch::Device device = resolve(choice.device, local_rank);
  choice.keep_memory&& device.is_cpu() ? keep_memory() : stop_keeping_tensors();
  return device;
}

void* current_cuda_stream() {
  const c10::impl::VirtualGuardImpl cuda(torch::kCUDA);
  return cuda.getStreamNativeHandle(cuda.getStream(cuda.getDevice()));
}

void move_model(torch::nn::Module& model, const ComputeDevice& compute) {
  require_ordinary_tensors(model);
  model.to(compute.device);
  for (torch::Tensor& parameter : model.parameters()) parameter.set_data(parameter.to(compute.dtype));
  for (torch::Tensor& buffer : model.buffers())
    if (buffer.is_floating_point()) buffer.set_data(buffer.to(compute.dtype));
}

}  // namespace lockstep
