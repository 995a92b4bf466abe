// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>

namespace lockstep {

// Work of a device that was recorded once and is done again without its host.
class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;

  // Local. All of it, on the current stream, in the memory it was recorded with. What it draws is drawn anew,
  // from what the device's default generator has been seeded with since.
  virtual void replay() = 0;
};

// What makes one of work.
using RecordGraph = std::function<std::unique_ptr<DeviceGraph>(const std::function<void()>& work)>;

// Local. A CUDA graph of what `work` enqueues on `device`: it is called a few times on a stream of its own,
// then once more while nothing is done and all is recorded. Throws Fault (78) for work that cannot be
// recorded: it waits for the device, or reads or writes host memory that may be gone. CMake compiles either
// cuda/device_graph.cpp or device_graph_none.cpp, which throws Fault (69).
std::unique_ptr<DeviceGraph> record_device_graph(torch::Device device, const std::function<void()>& work);

}  // namespace lockstep
