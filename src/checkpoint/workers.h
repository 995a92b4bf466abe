// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <optional>

namespace lockstep {

// Hands out the numbers 0, 1, … to several threads, each once.
class Tickets {
 public:
  explicit Tickets(std::size_t count) : count_(count) {}

  // Empty when all are handed out, or after stop().
  std::optional<std::size_t> next();
  void stop() { next_ = count_; }

 private:
  std::size_t count_;
  std::atomic<std::size_t> next_ = 0;
};

// Local. Runs `work` on as many threads, this one among them, as there are tickets, but no more than
// `threads`; returns when all have returned. The first exception of any of them stops the tickets and is
// thrown here.
void share_work(std::size_t tickets, int threads, const std::function<void(Tickets&)>& work);

}  // namespace lockstep
