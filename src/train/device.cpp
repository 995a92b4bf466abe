// SPDX-License-Identifier: Apache-2.0
#include "train/device.h"

#include <fmt/format.h>

#include "data/host_batch.h"
#include "lockstep/base/error.h"
#include "parallel/arena.h"
#include "parallel/tensor_rules.h"

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

torch::Tensor wrap(std::span<const std::byte> bytes, DType dtype, std::vector<std::int64_t> sizes) {
  return torch::from_blob(const_cast<std::byte*>(bytes.data()), sizes, scalar_type_of(dtype));
}

torch::Tensor move(const torch::Tensor& host, const ComputeDevice& compute) {
  return host.is_floating_point() ? host.to(compute.device, compute.dtype) : host.to(compute.device);
}

std::vector<std::int64_t> batched(std::int64_t samples, const Shape& shape) {
  std::vector<std::int64_t> sizes = {samples};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  return sizes;
}

}  // namespace

ComputeDevice prepare_device(const TrainOptions& options, int local_rank) {
  at::set_num_threads(options.threads);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  ComputeDevice compute;
  compute.device = resolve(options.device, local_rank);
  compute.dtype = options.dtype == "float64" ? torch::kFloat64 : torch::kFloat32;
  return compute;
}

void move_model(torch::nn::Module& model, const ComputeDevice& compute) {
  require_ordinary_tensors(model);
  model.to(compute.device);
  for (torch::Tensor& parameter : model.parameters()) parameter.set_data(parameter.to(compute.dtype));
  for (torch::Tensor& buffer : model.buffers())
    if (buffer.is_floating_point()) buffer.set_data(buffer.to(compute.dtype));
}

DeviceBatch to_device(const HostBatch& batch, const ComputeDevice& compute) {
  const SampleSpec& spec = batch.spec;
  return {
      move(wrap(batch.inputs.span(), spec.input_dtype, batched(batch.samples, spec.input_shape)), compute),
      move(wrap(batch.targets.span(), spec.target_dtype, batched(batch.samples, spec.target_shape)),
           compute)};
}

}  // namespace lockstep
