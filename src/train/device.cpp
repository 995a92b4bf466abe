// SPDX-License-Identifier: Apache-2.0
#include "train/device.h"

#include <fmt/format.h>

#include "data/host_batch.h"
#include "lockstep/base/error.h"
#include "parallel/arena.h"

namespace lockstep {
namespace {

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
  ComputeDevice compute;
  compute.device = prepare_device(DeviceChoice{options.device, options.threads}, local_rank);
  compute.dtype = options.dtype == "float64" ? torch::kFloat64 : torch::kFloat32;
  return compute;
}

DeviceBatch to_device(const HostBatch& batch, const ComputeDevice& compute) {
  const SampleSpec& spec = batch.spec;
  return {
      move(wrap(batch.inputs.span(), spec.input_dtype, batched(batch.samples, spec.input_shape)), compute),
      move(wrap(batch.targets.span(), spec.target_dtype, batched(batch.samples, spec.target_shape)),
           compute)};
}

}  // namespace lockstep
