// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "report/run_story.h"

namespace lockstep {

// Where a value at a step lies in a chart. Local.
struct Frame {
  static constexpr double kWidth = 520;
  static constexpr double kHeight = 190;
  static constexpr double kTop = 10;
  static constexpr double kBottom = 24;

  double first = std::numeric_limits<double>::infinity();
  double last = -std::numeric_limits<double>::infinity();
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  bool logarithmic = false;

  void include(const Series& series);
  // After the last include(): chooses the axis, and gives a single step or value some room.
  void settle();

  double x(std::int64_t step) const;
  double y(double value) const;
  // An <svg> that is not closed yet, with its axes.
  std::string open(const std::string& title) const;

 private:
  double place(double value) const;
  double value_at(double share) const;
  std::string axes() const;
};

}  // namespace lockstep
