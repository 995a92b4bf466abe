// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <optional>
#include <string>

#include "lockstep/base/disk.h"

namespace lockstep {

// How long a save takes, by those that were made. Local.
class SaveTimes {
 public:
  // A save was made, in this life or in one before.
  void took(double seconds);
  // The longest of the last few; empty before the first.
  std::optional<double> expected() const;

 private:
  std::deque<double> last_;
};

// Local. What earlier lives of a run wrote down about theirs, in <run>/events.jsonl; nothing where there is
// nothing to read.
SaveTimes save_times_of(Disk& disk, const std::string& events_file);

}  // namespace lockstep
