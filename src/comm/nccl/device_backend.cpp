// SPDX-License-Identifier: Apache-2.0
#include <cuda_runtime.h>
#include <fmt/format.h>
#include <nccl.h>

#include "comm/agree.h"
#include "comm/device.h"
#include "comm/nccl/cuda_error.h"
#include "comm/nccl/nccl_communicator.h"

namespace lockstep {
namespace {

void check_devices(const Place& place, int devices, const DeviceCommOptions& options) {
  if (devices == 0) {
    throw Fault(ExitCode::kCannotStart, fmt::format("host {} has no GPU that CUDA can use", place.host),
                "nvidia-smi shows what there is; train.device: cpu needs none");
  }
  if (place.local_size > devices && !options.share_devices) {
    throw Fault(ExitCode::kCannotStart,
                fmt::format("host {} has {} GPU{}, but {} ranks were started on it: each rank needs one",
                            place.host, devices, devices == 1 ? "" : "s", place.local_size),
                fmt::format("Start at most {} rank{} there", devices, devices == 1 ? "" : "s"));
  }
}

ncclUniqueId id_from_root(const Place& place, Communicator& host) {
  ncclUniqueId id{};
  together(host, [&] {
    if (place.rank.value != 0) return;
    const ncclResult_t result = ncclGetUniqueId(&id);
    if (result != ncclSuccess) {
      throw Fault(ExitCode::kCannotStart,
                  fmt::format("ncclGetUniqueId failed: {}", ncclGetErrorString(result)),
                  "NCCL_DEBUG=INFO in the environment makes NCCL say more");
    }
  });
  host.broadcast({&id, sizeof id, DType::kUInt8}, Rank{0});
  return id;
}

}  // namespace

int cuda_device_count() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) == cudaSuccess) return devices;
  // The runtime keeps the error for the next who asks.
  cudaGetLastError();
  return 0;
}

std::unique_ptr<Communicator> make_device_communicator(const Place& place, Communicator& host,
                                                       const DeviceCommOptions& options) {
  // Agreed before NCCL starts: there a rank without a device would leave the others waiting.
  const int devices = cuda_device_count();
  together(host, [&] {
    check_devices(place, devices, options);
    try_cuda(cudaSetDevice(place.local_rank % devices), "cudaSetDevice", ExitCode::kCannotStart);
  });
  const ncclUniqueId id = id_from_root(place, host);
  std::unique_ptr<Communicator> made;
  together(host, [&] { made = std::make_unique<NcclCommunicator>(id, place.rank, place.size, options); });
  return made;
}

}  // namespace lockstep
