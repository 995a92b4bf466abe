// SPDX-License-Identifier: Apache-2.0
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <exception>
#include <utility>

#include "parallel/carrier.h"

namespace lockstep {
namespace {

// By LibTorch's interface for any device: no header of CUDA is needed.
class StreamCarrier : public Carrier {
 public:
  explicit StreamCarrier(torch::Device device)
      : streams_(device.type()),
        device_(device.has_index() ? device : streams_.getDevice()),
        own_(streams_.getStreamFromGlobalPool(device_, /*isHighPriority=*/true)) {}

  void carry(std::function<void()> work) override {
    join_current_stream();
    if (thrown_) return;
    try {
      const c10::StreamGuard on(own_);
      work();
    } catch (...) {
      thrown_ = std::current_exception();
    }
  }

  void join_current_stream() override { behind(streams_.getStream(device_), own_); }

  void wait() override {
    behind(own_, streams_.getStream(device_));
    if (thrown_) std::rethrow_exception(thrown_);
  }

 private:
  // What is enqueued on `second` from now on is done behind what is on `first`.
  void behind(const c10::Stream& first, const c10::Stream& second) const {
    c10::Event event(device_.type());
    event.record(first);
    event.block(second);
  }

  c10::impl::VirtualGuardImpl streams_;
  torch::Device device_;
  c10::Stream own_;
  std::exception_ptr thrown_;
};

}  // namespace

std::unique_ptr<Carrier> make_stream_carrier(torch::Device device) {
  return std::make_unique<StreamCarrier>(device);
}

}  // namespace lockstep
