// SPDX-License-Identifier: Apache-2.0
#include "loop/save_times.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr std::size_t kRemembered = 4;
// The end of the file is enough: the last few saves count.
constexpr std::uint64_t kRead = 256u << 10;

std::string tail_of(Disk& disk, const std::string& path) {
  const auto info = disk.info(path);
  if (!info) return "";
  const std::uint64_t bytes = std::min(info->bytes, kRead);
  std::string text(bytes, '\0');
  disk.open(path)->read_at(info->bytes - bytes, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace

void SaveTimes::took(double seconds) {
  last_.push_back(seconds);
  if (last_.size() > kRemembered) last_.pop_front();
}

std::optional<double> SaveTimes::expected() const {
  const auto longest = std::max_element(last_.begin(), last_.end());
  return longest == last_.end() ? std::nullopt : std::optional(*longest);
}

SaveTimes save_times_of(Disk& disk, const std::string& events_file) {
  SaveTimes times;
  std::string text;
  try {
    text = tail_of(disk, events_file);
  } catch (const Fault&) {
    return times;  // an estimate: this life's own saves will do
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || json.value("event", nlohmann::json()) != "checkpoint_saved") continue;
    const auto seconds = json.find("seconds");
    if (seconds != json.end() && seconds->is_number()) times.took(seconds->get<double>());
  }
  return times;
}

}  // namespace lockstep
