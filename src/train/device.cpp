// SPDX-License-Identifier: Apache-2.0
#include "train/device.h"

#include <fmt/format.h>

#include "data/host_batch.h"
#include "lockstep/base/error.h"
#include "parallel/arena.h"
#include "tensors/tensor_span.h"

namespace lockstep {
namespace {

torch::Tensor move(const torch::Tensor& host, const ComputeDevice& compute) {
  return host.is_floating_point() ? host.to(compute.device, compute.dtype) : host.to(compute.device);
}

}  // namespace

ComputeDevice prepare_device(const TrainOptions& options, int local_rank, const MemoryOptions& memory) {
  ComputeDevice compute;
  compute.device = use_device({options.device, options.threads, memory.keep}, local_rank);
  compute.dtype = options.dtype == "float64" ? torch::kFloat64 : torch::kFloat32;
  return compute;
}

torch::Tensor on_host(const HostField& field, std::int64_t samples) {
  std::vector<std::int64_t> sizes = {samples};
  sizes.insert(sizes.end(), field.field.shape.begin(), field.field.shape.end());
  return torch::from_blob(const_cast<std::byte*>(field.bytes.span().data()), sizes,
                          scalar_type_of(field.field.dtype));
}

Batch to_device(const HostBatch& batch, const ComputeDevice& compute) {
  Batch::Tensors tensors;
  for (const HostField& field : batch.fields())
    tensors.emplace_back(field.field.name, move(on_host(field, batch.samples()), compute));
  return Batch(std::move(tensors), batch.target().field.name);
}

}  // namespace lockstep
