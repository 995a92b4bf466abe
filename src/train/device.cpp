// SPDX-License-Identifier: Apache-2.0
#include "train/device.h"

#include <ATen/cpu/Utils.h>
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
  if (options.precision == "bf16") compute.autocast = torch::kBFloat16;
  if (options.precision == "fp16") compute.autocast = torch::kHalf;
  return compute;
}

std::string what_makes_slow(const ComputeDevice& compute) {
  if (!compute.autocast || !compute.device.is_cpu()) return "";
  const bool half = *compute.autocast == torch::kHalf;
  const auto abilities = at::cpu::get_cpu_capabilities();
  const auto has = [&](const char* name) {
    const auto found = abilities.find(name);
    return found != abilities.end() && found->second.isBool() && found->second.toBool();
  };
  const bool is_fast = half ? has("avx512_fp16") || has("amx_fp16") || has("fp16_arith")
                            : has("avx512_bf16") || has("amx_bf16") || has("bf16");
  if (is_fast) return "";
  return half ? "this CPU has neither AVX512-FP16 nor AMX-FP16" : "this CPU has neither AVX512-BF16 nor AMX";
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
