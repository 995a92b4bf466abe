// SPDX-License-Identifier: Apache-2.0
#include "parallel/device_graph.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

// As make_graphed_callables() does: what libraries set up at their first calls must not be recorded.
constexpr int kWarmUps = 3;

// A graph registers the default generator itself, and fills in its seed and offset at each replay.
class CudaGraph : public DeviceGraph {
 public:
  CudaGraph(torch::Device device, const std::function<void()>& work) {
    const c10::cuda::CUDAGuard here(device);
    c10::cuda::device_synchronize();
    {
      // The default stream cannot be recorded.
      const c10::cuda::CUDAStreamGuard on(c10::cuda::getStreamFromPool(/*isHighPriority=*/false));
      for (int i = 0; i < kWarmUps; ++i) work();
      c10::cuda::device_synchronize();
      // Its memory is the graph's own for good: what was freed may be part of it.
      c10::cuda::CUDACachingAllocator::emptyCache();
      record(work);
    }
    c10::cuda::device_synchronize();
  }

  void replay() override { graph_.replay(); }

 private:
  void record(const std::function<void()>& work) {
    try {
      graph_.capture_begin();
      work();
      graph_.capture_end();
    } catch (const c10::Error& error) {
      end_broken();
      const std::string text = error.what_without_backtrace();
      throw Fault(ExitCode::kConfig,
                  "train.cuda_graph: forward and backward of the model cannot be recorded: " +
                      printable(text.substr(0, text.find('\n'))),
                  "A model that is recorded waits for nothing of the device (.item(), .cpu(), nonzero(), a "
                  "branch on a value) and copies nothing from the host; else leave train.cuda_graph out");
    } catch (...) {
      end_broken();
      throw;
    }
  }

  // So that the device can be used by whoever ends the run.
  void end_broken() {
    try {
      graph_.capture_end();
    } catch (const c10::Error&) {
      // It says once more that the recording is void.
    }
  }

  at::cuda::CUDAGraph graph_;
};

}  // namespace

std::unique_ptr<DeviceGraph> record_device_graph(torch::Device device, const std::function<void()>& work) {
  return std::make_unique<CudaGraph>(device, work);
}

}  // namespace lockstep
