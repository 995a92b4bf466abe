// SPDX-License-Identifier: Apache-2.0
#include "bandwidth_memory.h"

#include <cuda_runtime.h>
#include <fmt/format.h>
#include <nccl.h>

#include "comm/nccl/cuda_error.h"

namespace lockstep::bench {

std::shared_ptr<void> zeros_on_device(std::size_t bytes) {
  void* data = nullptr;
  try_cuda(cudaMalloc(&data, bytes), "cudaMalloc");
  std::shared_ptr<void> memory(data, [](void* mine) { cudaFree(mine); });
  try_cuda(cudaMemset(data, 0, bytes), "cudaMemset");
  return memory;
}

std::string device_words() {
  int device = 0, nccl = 0;
  cudaDeviceProp properties{};
  try_cuda(cudaGetDevice(&device), "cudaGetDevice");
  try_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  check(ncclGetVersion(&nccl) == ncclSuccess, "NCCL knows its version");
  return fmt::format("{}, NCCL {}.{}.{}", properties.name, nccl / 10000, nccl / 100 % 100, nccl % 100);
}

}  // namespace lockstep::bench
