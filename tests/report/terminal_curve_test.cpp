// SPDX-License-Identifier: Apache-2.0
#include "report/terminal_curve.h"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>
#include <vector>

namespace lockstep {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::size_t width_of(const std::string& line) {
  std::size_t width = 0;
  for (const char c : line) width += (c & 0xc0) != 0x80 ? 1 : 0;
  return width;
}

Series falling(int points) {
  Series series;
  for (int i = 0; i < points; ++i) series.push_back({i + 1, static_cast<double>(points - i)});
  return series;
}

TEST(TerminalCurve, FallsFromTheUpperLeftToTheLowerRightInAscii) {
  const auto lines = lines_of(terminal_curve(falling(40), {51, 4, false}));
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0].substr(0, 12), "     40.00 *");
  EXPECT_EQ(lines[3].substr(0, 10), "     1.000");
  EXPECT_EQ(lines[0].back(), ' ');
  EXPECT_EQ(lines[3].back(), '*');
  EXPECT_EQ(lines[4], "           1                                     40");
}

TEST(TerminalCurve, StaysInsideItsShapeInBrailleToo) {
  for (const int columns : {20, 51, 80, 160}) {
    const auto lines = lines_of(terminal_curve(falling(500), {columns, 6, true}));
    ASSERT_EQ(lines.size(), 7u);
    for (const std::string& line : lines) EXPECT_LE(width_of(line), static_cast<std::size_t>(columns));
    EXPECT_NE(lines[0].find("\xe2"), std::string::npos);
  }
}

TEST(TerminalCurve, ASpikeReachesTheTopAndAGapStaysOne) {
  Series series = falling(400);
  for (Point& point : series) point.value = 1;
  series[200].value = 9;
  for (int i = 300; i < 400; ++i) series[static_cast<std::size_t>(i)].value = std::nan("");
  const auto lines = lines_of(terminal_curve(series, {51, 4, false}));
  EXPECT_NE(lines[0].find('*'), std::string::npos);
  EXPECT_EQ(lines[3].back(), ' ');
}

TEST(TerminalCurve, IsNothingWhereThereIsNothingToDrawOrNoRoom) {
  EXPECT_EQ(terminal_curve({}, {}), "");
  EXPECT_EQ(terminal_curve({{1, 1}}, {}), "");
  EXPECT_EQ(terminal_curve({{1, std::nan("")}, {2, std::nan("")}}, {}), "");
  EXPECT_EQ(terminal_curve(falling(9), {12, 6, true}), "");
  EXPECT_EQ(terminal_curve(falling(9), {80, 1, true}), "");
}

TEST(TerminalCurve, DrawsEqualAndHugeValues) {
  EXPECT_NE(terminal_curve({{1, 2}, {2, 2}}, {}), "");
  EXPECT_NE(terminal_curve({{1, 1e308}, {2, -1e308}}, {}), "");
  EXPECT_NE(terminal_curve({{1, 1e-8}, {2, 1}, {9, 1e8}}, {}), "");
}

}  // namespace
}  // namespace lockstep
