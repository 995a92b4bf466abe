// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "base/read_lines.h"
#include "base/run_layout.h"
#include "report/run_story.h"

namespace lockstep {

// What a run did last, as its journal tells; of a long run it holds no more than a screen shows.
struct Pulse {
  std::int64_t step = 0;
  std::int64_t attempt = 0;  // of that step
  std::int64_t epoch = 0;
  double last_loss = 0;  // NaN where the file says null
  std::string time_text;
  double time = 0;  // of that line, in seconds since 1970; 0: no line yet
  double samples_per_s = 0;
  double straggler_ratio = 0;
  Series loss;  // thinned; what was done anew is gone

  double step_s = 0;                      // the mean of late; 0: not known yet
  std::map<std::string, double> seconds;  // … by phase, of the same steps
  double gap_s = 0;                       // between two lines, as usual of late …
  double longest_s = 0;                   // … and at most, in this attempt

  StoryEvent newest;      // of all events but those of saves
  StoryEvent supervisor;  // of those that tell what is done with an attempt
  StoryEvent trouble;     // storage_slow or hang
  StoryEvent straggler;
};

// Follows the journal of a run that may be running. Local; reads only.
class PulseReader {
 public:
  PulseReader(Disk& disk, const std::string& directory)
      : metrics_(disk, RunLayout(directory).metrics()), events_(disk, RunLayout(directory).events()) {}

  // Takes in what was written since the last call. Throws Fault (74).
  const Pulse& read_on();

 private:
  struct Line {
    std::int64_t step = 0;
    double time = 0;
    std::map<std::string, double> seconds;  // of a step since the line before, by phase
  };
  void metrics(const std::string& line);
  void event(const std::string& line);
  void keep(Point point);
  void measure();

  LineFollower metrics_;
  LineFollower events_;
  Pulse pulse_;
  std::deque<Line> newest_;  // of the present attempt
  std::int64_t stride_ = 1;  // of the lines, every so manyth is in the curve
  std::int64_t count_ = 0;
};

// Local. Seconds since 1970 of iso_time()'s text; 0 for what is none.
double seconds_of(const std::string& iso_time);

}  // namespace lockstep
