// SPDX-License-Identifier: Apache-2.0
#include "supervise/stop_requests.h"

#include <csignal>

namespace lockstep {
namespace {
constexpr std::chrono::seconds kOneRequest{1};
}  // namespace

StopWish StopRequests::add(int signal, Time now) {
  const bool same = count_ > 0 && signal != SIGINT && now - last_ < kOneRequest;
  last_ = now;
  if (same) return StopWish::kNothing;
  if (++count_ == 1) {
    first_ = signal;
    since_ = now;
    return StopWish::kSaveAndStop;
  }
  return count_ == 2 ? StopWish::kSayWhy : StopWish::kEnd;
}

}  // namespace lockstep
