// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "report/run_story.h"

namespace lockstep {

struct TerminalShape {
  int columns = 80;
  int rows = 8;
  bool utf8 = true;  // braille dots; else ASCII
};

// Local. The series over its steps as lines of text, each with its end and none wider than the shape: `rows`
// lines with the highest and lowest value at their left, then one with the steps. Values of more than three
// orders of magnitude, all above zero, are drawn by their logarithm. Empty when fewer than two values are
// finite, or the shape has no room.
std::string terminal_curve(const Series& series, const TerminalShape& shape);

}  // namespace lockstep
