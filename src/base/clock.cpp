// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/clock.h"

#include <fmt/chrono.h>

namespace lockstep {
namespace {
class RealClock : public Clock {
 public:
  std::chrono::nanoseconds monotonic() const override {
    return std::chrono::steady_clock::now().time_since_epoch();
  }
  std::chrono::system_clock::time_point wall() const override { return std::chrono::system_clock::now(); }
};
}  // namespace

Clock& real_clock() {
  static RealClock clock;
  return clock;
}

std::string iso_time(std::chrono::system_clock::time_point when) {
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03d}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(when)),
                     milliseconds < 0 ? milliseconds + 1000 : milliseconds);
}

}  // namespace lockstep
