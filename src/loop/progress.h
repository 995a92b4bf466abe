// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <string>

#include "lockstep/base/clock.h"
#include "lockstep/base/units.h"

namespace lockstep {

// How far a run is: step, loss, samples/s, time left and last checkpoint. On a terminal one line that is
// written over; otherwise a plain line every few seconds. Rank 0 only. Local; writes to standard output
// through the sink it is given.
class Progress {
 public:
  struct Options {
    std::int64_t global_batch = 1;
    bool terminal = false;
    std::chrono::seconds interval{5};  // between plain lines
  };
  using Sink = std::function<void(const std::string& text)>;

  Progress(const Clock& clock, const Options& options, Sink sink);

  void begin(Step first, Step last);
  void step(Step step, double loss);
  void saved(Step step) { last_saved_ = step; }
  // Samples a second since this was last asked, or since begin(): what a line of the journal says.
  double line_rate(Step step);
  // Ends the live line, so that other output starts on a line of its own.
  void end_line();

 private:
  // Where a run was at some time.
  struct Waypoint {
    std::chrono::nanoseconds time{0};
    Step step{0};
  };
  Waypoint now(Step step) const { return {clock_->monotonic(), step}; }
  // Samples a second from one to the other; 0 where no time has passed.
  double rate(const Waypoint& from, const Waypoint& to) const;
  // The newest of what was shown that is `age` old or older, else the oldest that is kept.
  const Waypoint& shown_before(std::chrono::nanoseconds age) const;
  void forget_old();
  std::string text(Step step, double loss) const;

  const Clock* clock_;
  Options options_;
  Sink sink_;
  Step first_{1};
  Step last_{1};
  Step last_saved_{0};
  Waypoint line_;                  // of the journal
  std::deque<Waypoint> shown_{1};  // of the last minute, and one before
  bool line_open_ = false;
};

}  // namespace lockstep
