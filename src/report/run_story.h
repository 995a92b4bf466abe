// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lockstep/base/disk.h"

namespace lockstep {

struct Point {
  std::int64_t step = 0;
  double value = 0;  // NaN where the file says null
};
using Series = std::vector<Point>;

// A line of events.jsonl.
struct StoryEvent {
  std::string time;
  std::string name;
  std::int64_t attempt = 0;
  std::int64_t step = 0;  // its own, or the one the run had come to by then
  std::vector<std::pair<std::string, std::string>> fields;

  // Empty when there is none.
  std::string field(const std::string& key) const;
};

// In front of a phase's name: the series of its seconds, of one step.
inline const std::string kSecondsPrefix = "seconds/";

// What happened in a run directory, over all attempts.
struct RunStory {
  std::string name;
  std::map<std::string, Series> series;  // in order of steps; what a later attempt did anew is in `lost`
  std::map<std::string, Series> lost;
  std::vector<StoryEvent> events;
  std::int64_t unreadable_lines = 0;
};

// Local. Reads only, also beside a running job. Torn and foreign lines are skipped and counted. Throws Fault
// (66) when `directory` is no run directory.
RunStory read_run_story(Disk& disk, const std::string& directory);

}  // namespace lockstep
