// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/error.h"
#include "parallel/device_graph.h"

namespace lockstep {

std::unique_ptr<DeviceGraph> record_device_graph(torch::Device, const std::function<void()>&) {
  throw Fault(ExitCode::kCannotStart, "this lockstep was built without CUDA, and has no CUDA graphs",
              "Set train.cuda_graph: false, or build with cmake --preset cuda");
}

}  // namespace lockstep
