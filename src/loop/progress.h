// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
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
  // Samples a second since begin().
  double samples_per_second(Step step) const;
  // Ends the live line, so that other output starts on a line of its own.
  void end_line();

 private:
  std::string text(Step step, double loss) const;

  const Clock* clock_;
  Options options_;
  Sink sink_;
  Step first_{1};
  Step last_{1};
  Step last_saved_{0};
  std::chrono::nanoseconds begun_{0};
  std::chrono::nanoseconds shown_{0};
  bool line_open_ = false;
};

}  // namespace lockstep
