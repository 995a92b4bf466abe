// SPDX-License-Identifier: Apache-2.0
#include "report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace lockstep {
namespace {

constexpr double kWidth = 720;
constexpr double kHeight = 220;
constexpr double kLeft = 64;
constexpr double kRight = 12;
constexpr double kTop = 10;
constexpr double kBottom = 24;
constexpr std::size_t kBuckets = 360;
constexpr double kLogarithmic = 1000;
constexpr int kColours = 6;

struct Frame {
  double first = std::numeric_limits<double>::infinity();
  double last = -std::numeric_limits<double>::infinity();
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  bool logarithmic = false;

  void include(const Series& series) {
    for (const Point& point : series) {
      if (!std::isfinite(point.value)) continue;
      first = std::min(first, static_cast<double>(point.step));
      last = std::max(last, static_cast<double>(point.step));
      low = std::min(low, point.value);
      high = std::max(high, point.value);
    }
  }

  void settle() {
    logarithmic = low > 0 && high / low > kLogarithmic;
    if (last <= first) last = first + 1;
    if (high <= low) {
      const double around = std::max(std::abs(low) * 0.1, 1e-12);
      low -= around;
      high += around;
    }
  }

  double x(std::int64_t step) const {
    const double place = std::clamp((static_cast<double>(step) - first) / (last - first), 0.0, 1.0);
    return kLeft + place * (kWidth - kLeft - kRight);
  }
  double y(double value) const { return kHeight - kBottom - place(value) * (kHeight - kTop - kBottom); }
  double place(double value) const {
    if (logarithmic) return (std::log(value) - std::log(low)) / (std::log(high) - std::log(low));
    return (value / 2 - low / 2) / (high / 2 - low / 2);
  }
  double value_at(double share) const {
    return logarithmic ? std::exp(std::log(low) + share * (std::log(high) - std::log(low)))
                       : low + share * (high / 2 - low / 2) * 2;
  }
};

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

std::string axes(const Frame& frame) {
  std::string svg;
  for (const double share : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    const double y = kHeight - kBottom - share * (kHeight - kTop - kBottom);
    svg += fmt::format("<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>", kLeft,
                       kWidth - kRight, y);
    svg += fmt::format("<text class=\"tick\" text-anchor=\"end\" x=\"{}\" y=\"{:.1f}\">{:.3g}</text>",
                       kLeft - 6, y + 4, frame.value_at(share));
  }
  for (const double share : {0.0, 0.5, 1.0})
    svg += fmt::format("<text class=\"tick\" text-anchor=\"{}\" x=\"{:.1f}\" y=\"{}\">{:.0f}</text>",
                       share == 0.0   ? "start"
                       : share == 1.0 ? "end"
                                      : "middle",
                       kLeft + share * (kWidth - kLeft - kRight), kHeight - 6,
                       frame.first + share * (frame.last - frame.first));
  return svg;
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
  std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{} over steps\">",
                                kWidth, kHeight, html_text(title));
  svg += axes(frame);
  for (const Mark& mark : marks)
    svg += fmt::format(
        "<line class=\"mark {0}\" x1=\"{1:.1f}\" x2=\"{1:.1f}\" y1=\"{2}\" y2=\"{3}\"><title>{4}"
        "</title></line>",
        mark.kind, frame.x(mark.step), kTop, kHeight - kBottom, html_text(mark.text));
  for (const Curve& curve : curves) {
    const std::size_t colour = curve.run % kColours;
    if (curve.lost != nullptr)
      svg += fmt::format("<path class=\"curve lost c{}\" d=\"{}\"/>", colour, path_of(*curve.lost, frame));
    svg += fmt::format("<path class=\"curve c{}\" d=\"{}\"/>", colour, path_of(*curve.series, frame));
  }
  return svg + "</svg>";
}

}  // namespace lockstep
