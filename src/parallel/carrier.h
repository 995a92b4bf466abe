// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <functional>
#include <memory>

#include "lockstep/comm/watch.h"

namespace lockstep {

// Does work in the order in which it comes, beside whoever brings it: that of an exchange, beside a backward
// pass. One at a time calls it; what that one has written before carry() is there for the work. The
// destructor expects that there is nothing left to do.
class Carrier {
 public:
  virtual ~Carrier() = default;

  // Local. `work` may throw; then what comes behind it is not done.
  virtual void carry(std::function<void()> work) = 0;
  // Local. On a device: what is carried next also waits for the stream that is the current one now. Called by
  // whoever has written something that it reads.
  virtual void join_current_stream() {}
  // Local. Behind it all that was carried is done; on a device it is for the stream that is the current one.
  // Throws what the work threw, from then on always.
  virtual void wait() = 0;
};

// A thread of its own. It computes alone, whatever the number of threads; collectives are its own
// (Watch::reserve_collectives) from the first carry() to the next wait(). Signals are not for it.
std::unique_ptr<Carrier> make_thread_carrier(std::shared_ptr<Watch> watch);

// A stream of `device`'s own, of high priority. The work itself is done at once, and only enqueues.
std::unique_ptr<Carrier> make_stream_carrier(torch::Device device);

}  // namespace lockstep
