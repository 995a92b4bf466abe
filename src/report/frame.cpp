// SPDX-License-Identifier: Apache-2.0
#include "report/frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/chart.h"

namespace lockstep {
namespace {

constexpr double kLeft = 86;
constexpr double kRight = 12;
constexpr double kLogarithmic = 1000;

}  // namespace

void Frame::include(const Series& series) {
  for (const Point& point : series) {
    if (!std::isfinite(point.value)) continue;
    first = std::min(first, static_cast<double>(point.step));
    last = std::max(last, static_cast<double>(point.step));
    low = std::min(low, point.value);
    high = std::max(high, point.value);
  }
}

void Frame::settle() {
  logarithmic = low > 0 && high / low > kLogarithmic;
  if (last <= first) last = first + 1;
  if (high <= low) {
    const double around = std::max(std::abs(low) * 0.1, 1e-12);
    low -= around;
    high += around;
  }
}

double Frame::x(std::int64_t step) const {
  const double share = std::clamp((static_cast<double>(step) - first) / (last - first), 0.0, 1.0);
  return kLeft + share * (kWidth - kLeft - kRight);
}

double Frame::y(double value) const {
  return kHeight - kBottom - place(value) * (kHeight - kTop - kBottom);
}

double Frame::place(double value) const {
  if (logarithmic) return (std::log(value) - std::log(low)) / (std::log(high) - std::log(low));
  return (value / 2 - low / 2) / (high / 2 - low / 2);
}

double Frame::value_at(double share) const {
  return logarithmic ? std::exp(std::log(low) + share * (std::log(high) - std::log(low)))
                     : low + share * (high / 2 - low / 2) * 2;
}

std::string Frame::open(const std::string& title) const {
  return fmt::format("<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{} over steps\">", kWidth, kHeight,
                     html_text(title)) +
         axes();
}

std::string Frame::axes() const {
  std::string svg;
  for (const double share : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    const double height = kHeight - kBottom - share * (kHeight - kTop - kBottom);
    svg += fmt::format("<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>", kLeft,
                       kWidth - kRight, height);
    svg += fmt::format("<text class=\"tick\" text-anchor=\"end\" x=\"{}\" y=\"{:.1f}\">{:.3g}</text>",
                       kLeft - 6, height + 4, value_at(share));
  }
  for (const double share : {0.0, 0.5, 1.0}) {
    const char* const anchor = share == 0.0 ? "start" : share == 1.0 ? "end" : "middle";
    svg +=
        fmt::format("<text class=\"tick\" text-anchor=\"{}\" x=\"{:.1f}\" y=\"{}\">{:.0f}</text>", anchor,
                    kLeft + share * (kWidth - kLeft - kRight), kHeight - 6, first + share * (last - first));
  }
  return svg;
}

}  // namespace lockstep
