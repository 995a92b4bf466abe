// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "lockstep/comm/world.h"

namespace lockstep {

// How gradients on a GPU are exchanged.
struct DeviceCommOptions {
  // The cudaStream_t to enqueue on, asked at each call; empty: the default stream. Opaque, so that no CUDA
  // header is needed here.
  std::function<void*()> current_stream;
  // How long start-up, or one synchronize(), may take before the peers count as lost.
  std::chrono::seconds timeout{300};
  // For functional tests only: several ranks on one GPU (each needs an NCCL_HOSTID of its own).
  bool share_devices = false;
};

// Note [one source file per device backend]: CMake compiles either comm/nccl/ or device_backend_none.cpp;
// both define these functions, so nothing else asks how it was built.

// Local. GPUs this process can use; 0 without a driver, or when built without CUDA.
int cuda_device_count();

// Collective over `host`. The communicator for device memory; makes GPU number `place.local_rank` the current
// one. Throws Fault (69) on every rank when it was built without CUDA, when a host has fewer GPUs than ranks,
// or when NCCL does not start.
std::unique_ptr<Communicator> make_device_communicator(const Place& place, Communicator& host,
                                                       const DeviceCommOptions& options);

}  // namespace lockstep
