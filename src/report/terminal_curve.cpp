// SPDX-License-Identifier: Apache-2.0
#include "report/terminal_curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace lockstep {
namespace {

constexpr int kLabel = 10;
constexpr int kLeastColumns = 8;  // of dots
constexpr double kLogarithmic = 1000;

struct Extent {
  double low = 0;
  double high = 0;
};

// Dots, from the lower left; a cell of braille has 2 by 4 of them.
class Dots {
 public:
  Dots(int columns, int rows)
      : columns_(columns), rows_(rows), set_(static_cast<std::size_t>(columns * rows)) {}
  int columns() const { return columns_; }
  int rows() const { return rows_; }
  void set(int column, int row) { set_[index(column, row)] = 1; }
  bool at(int column, int row) const { return set_[index(column, row)] != 0; }

 private:
  std::size_t index(int column, int row) const { return static_cast<std::size_t>(row * columns_ + column); }

  int columns_;
  int rows_;
  std::vector<char> set_;
};

std::string cell(const Dots& dots, int column, int row, bool utf8) {
  if (!utf8) return dots.at(column, row) ? "*" : " ";
  // Unicode's numbering of the dots: 1 2 3 7 down the left side, 4 5 6 8 down the right.
  constexpr int kBits[2][4] = {{0x40, 0x04, 0x02, 0x01}, {0x80, 0x20, 0x10, 0x08}};
  int bits = 0;
  for (int x = 0; x < 2; ++x)
    for (int y = 0; y < 4; ++y)
      if (dots.at(2 * column + x, 4 * row + y)) bits |= kBits[x][y];
  if (bits == 0) return " ";
  return {static_cast<char>(0xe2), static_cast<char>(0xa0 | bits >> 6),
          static_cast<char>(0x80 | (bits & 0x3f))};
}

// What lies in each column of dots, from its lowest value to its highest.
std::vector<std::optional<Extent>> by_column(const Series& series, int columns) {
  std::vector<std::optional<Extent>> ranges(static_cast<std::size_t>(columns));
  const auto first = static_cast<double>(series.front().step);
  const double width = std::max(static_cast<double>(series.back().step) - first, 1.0);
  for (const Point& point : series) {
    if (!std::isfinite(point.value)) continue;
    const double place = (static_cast<double>(point.step) - first) / width * (columns - 1);
    auto& range = ranges[static_cast<std::size_t>(std::clamp(place, 0.0, columns - 1.0))];
    if (!range) range = Extent{point.value, point.value};
    range->low = std::min(range->low, point.value);
    range->high = std::max(range->high, point.value);
  }
  return ranges;
}

// A column reaches to the one before it, so that a curve is one line; not over a gap.
void draw(Dots& dots, const std::vector<std::optional<Extent>>& ranges, const Extent& all) {
  const bool logarithmic = all.low > 0 && all.high / all.low > kLogarithmic;
  const auto scaled = [&](double value) { return logarithmic ? std::log(value) : value / 2; };
  const double height = std::max(scaled(all.high) - scaled(all.low), 1e-300);
  const auto row_of = [&](double value) {
    return static_cast<int>(std::lround((scaled(value) - scaled(all.low)) / height * (dots.rows() - 1)));
  };
  std::optional<int> before;
  for (int column = 0; column < dots.columns(); ++column) {
    const auto& range = ranges[static_cast<std::size_t>(column)];
    if (!range) continue;
    int low = row_of(range->low);
    int high = row_of(range->high);
    const int middle = (low + high) / 2;
    if (before) {
      low = std::min(low, *before);
      high = std::max(high, *before);
    }
    for (int row = low; row <= high; ++row) dots.set(column, row);
    before = middle;
  }
}

}  // namespace

std::string terminal_curve(const Series& series, const TerminalShape& shape) {
  const int columns = shape.columns - kLabel - 1;
  if (columns < kLeastColumns || shape.rows < 2 || series.empty()) return "";
  Dots dots(columns * (shape.utf8 ? 2 : 1), shape.rows * (shape.utf8 ? 4 : 1));
  const auto ranges = by_column(series, dots.columns());
  std::optional<Extent> all;
  for (const auto& range : ranges) {
    if (!range) continue;
    all = all ? Extent{std::min(all->low, range->low), std::max(all->high, range->high)} : *range;
  }
  const auto finite = [](const Point& point) { return std::isfinite(point.value); };
  if (std::count_if(series.begin(), series.end(), finite) < 2) return "";
  draw(dots, ranges, *all);
  std::string text;
  for (int row = shape.rows - 1; row >= 0; --row) {
    std::string label;
    if (row == shape.rows - 1) label = fmt::format("{:#.4g}", all->high);
    if (row == 0) label = fmt::format("{:#.4g}", all->low);
    text += fmt::format("{:>{}} ", label, kLabel);
    for (int column = 0; column < columns; ++column) text += cell(dots, column, row, shape.utf8);
    text += "\n";
  }
  const std::string first = std::to_string(series.front().step);
  const std::string last = std::to_string(series.back().step);
  return text + fmt::format("{:{}}{}{:>{}}\n", "", kLabel + 1, first, last,
                            std::max(columns - static_cast<int>(first.size()), 1));
}

}  // namespace lockstep
