// SPDX-License-Identifier: Apache-2.0
#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "report/frame.h"

namespace lockstep {
namespace {

constexpr std::size_t kBuckets = 360;
constexpr int kColours = 6;

// A gap where a value is not finite; a value between two gaps is a dot.
std::string path_of(const Series& series, const Frame& frame) {
  std::string path;
  bool down = false;
  for (const Point& point : thinned(series, kBuckets)) {
    if (!std::isfinite(point.value)) {
      down = false;
      continue;
    }
    const double x = frame.x(point.step);
    const double y = frame.y(point.value);
    path +=
        down ? fmt::format("L{:.1f} {:.1f}", x, y) : fmt::format("M{0:.1f} {1:.1f}L{0:.1f} {1:.1f}", x, y);
    down = true;
  }
  return path;
}

std::string lines_of(const std::vector<Mark>& marks, const Frame& frame) {
  std::string svg;
  for (const Mark& mark : marks)
    svg += fmt::format(
        "<line class=\"mark {0}\" x1=\"{1:.1f}\" x2=\"{1:.1f}\" y1=\"{2}\" y2=\"{3}\"><title>{4}"
        "</title></line>",
        mark.kind, frame.x(mark.step), Frame::kTop, Frame::kHeight - Frame::kBottom, html_text(mark.text));
  return svg;
}

// Rows of a step and, for each layer, the sum up to it: the mean of a bucket of steps that all layers have.
std::vector<std::vector<double>> stacked(const std::vector<const Series*>& layers) {
  std::map<std::int64_t, std::vector<double>> rows;
  for (const Series* layer : layers)
    for (const Point& point : *layer)
      if (std::isfinite(point.value)) rows[point.step].push_back(point.value);
  std::vector<std::vector<double>> sums;
  std::vector<double> all(layers.size(), 0.0);
  std::size_t in_bucket = 0;
  const std::size_t size = rows.size() / kBuckets + 1;
  for (const auto& [step, values] : rows) {
    if (values.size() != layers.size()) continue;
    for (std::size_t i = 0; i < values.size(); ++i) all[i] += values[i];
    if (++in_bucket < size) continue;
    std::vector<double> row = {static_cast<double>(step)};
    double sum = 0;
    for (double& value : all)
      row.push_back(sum += std::exchange(value, 0.0) / static_cast<double>(in_bucket));
    sums.push_back(std::move(row));
    in_bucket = 0;
  }
  return sums;
}

}  // namespace

std::string html_text(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&')
      safe += "&amp;";
    else if (c == '<')
      safe += "&lt;";
    else if (c == '>')
      safe += "&gt;";
    else if (c == '"')
      safe += "&quot;";
    else if (c == '\'')
      safe += "&#39;";
    else
      safe += byte < 0x20 || byte == 0x7f ? ' ' : c;
  }
  return safe;
}

Series thinned(const Series& series, std::size_t buckets) {
  if (series.size() <= 4 * buckets) return series;
  Series kept;
  const std::size_t size = (series.size() + buckets - 1) / buckets;
  for (std::size_t begin = 0; begin < series.size(); begin += size) {
    const std::size_t end = std::min(begin + size, series.size());
    std::vector<std::size_t> chosen = {begin, end - 1};
    const std::size_t none = end;
    std::size_t low = none, high = none, gap = none;
    for (std::size_t i = begin; i < end; ++i) {
      if (!std::isfinite(series[i].value))
        gap = i;
      else {
        if (low == none || series[i].value < series[low].value) low = i;
        if (high == none || series[i].value > series[high].value) high = i;
      }
    }
    for (const std::size_t i : {low, high, gap})
      if (i != none) chosen.push_back(i);
    std::sort(chosen.begin(), chosen.end());
    chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
    for (const std::size_t i : chosen) kept.push_back(series[i]);
  }
  return kept;
}

std::string chart_svg(const std::string& title, const std::vector<Curve>& curves,
                      const std::vector<Mark>& marks) {
  Frame frame;
  for (const Curve& curve : curves) {
    frame.include(*curve.series);
    if (curve.lost != nullptr) frame.include(*curve.lost);
  }
  if (frame.first > frame.last) return "";
  frame.settle();
  std::string svg = frame.open(title) + lines_of(marks, frame);
  for (const Curve& curve : curves) {
    const std::size_t colour = curve.run % kColours;
    if (curve.lost != nullptr)
      svg += fmt::format("<path class=\"curve lost c{}\" d=\"{}\"/>", colour, path_of(*curve.lost, frame));
    svg += fmt::format("<path class=\"curve c{}\" d=\"{}\"/>", colour, path_of(*curve.series, frame));
  }
  return svg + "</svg>";
}

std::string stack_svg(const std::string& title, const std::vector<const Series*>& layers,
                      const std::vector<Mark>& marks) {
  const std::vector<std::vector<double>> sums = stacked(layers);
  if (sums.size() < 2) return "";
  std::vector<double> totals;
  for (const auto& sum : sums) totals.push_back(sum.back());
  std::sort(totals.begin(), totals.end());
  // A few long steps would press all others to the ground.
  const double most = std::min(totals.back(), 2 * totals[totals.size() * 9 / 10]);
  Frame frame;
  frame.include({{static_cast<std::int64_t>(sums.front().front()), 0},
                 {static_cast<std::int64_t>(sums.back().front()), most}});
  frame.settle();
  std::string svg = frame.open(title);
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    std::string there;
    std::string back;
    for (const auto& sum : sums) {
      const double x = frame.x(static_cast<std::int64_t>(sum.front()));
      there += fmt::format("{}{:.1f} {:.1f}", there.empty() ? "M" : "L", x,
                           frame.y(std::min(sum[layer + 1], most)));
      back = fmt::format("L{:.1f} {:.1f}", x, frame.y(layer == 0 ? 0 : std::min(sum[layer], most))) + back;
    }
    svg += fmt::format("<path class=\"area f{}\" d=\"{}{}Z\"/>", layer % kColours, there, back);
  }
  if (most < totals.back())
    svg +=
        fmt::format("<text class=\"tick\" text-anchor=\"end\" x=\"{}\" y=\"{}\">cut off: up to {:.3g}</text>",
                    Frame::kWidth - 14, Frame::kTop + 14, totals.back());
  return svg + lines_of(marks, frame) + "</svg>";
}

}  // namespace lockstep
