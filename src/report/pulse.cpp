// SPDX-License-Identifier: Apache-2.0
#include "report/pulse.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/median.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLines = 50;
constexpr std::size_t kMostPoints = 4096;

Json parse(const std::string& line) {
  return Json::parse(line, nullptr, /*allow_exceptions=*/false);
}

double number(const Json& json, const char* key, double otherwise) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number() ? found->get<double>() : otherwise;
}

std::string word(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

std::map<std::string, double> phases_of(const Json& line) {
  std::map<std::string, double> seconds;
  if (const auto phases = line.find("seconds"); phases != line.end() && phases->is_object())
    for (const auto& [phase, value] : phases->items())
      if (value.is_number()) seconds[phase] = value.get<double>();
  return seconds;
}

bool is_one_of(const std::string& name, const std::set<std::string>& names) {
  return names.count(name) > 0;
}

}  // namespace

double seconds_of(const std::string& iso_time) {
  std::tm when{};
  int milliseconds = 0;
  if (std::sscanf(iso_time.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &when.tm_year, &when.tm_mon,
                  &when.tm_mday, &when.tm_hour, &when.tm_min, &when.tm_sec, &milliseconds) != 7)
    return 0;
  when.tm_year -= 1900;
  when.tm_mon -= 1;
  return static_cast<double>(::timegm(&when)) + milliseconds * 1e-3;
}

const Pulse& PulseReader::read_on() {
  metrics_.read_on([this](const std::string& line) { metrics(line); });
  events_.read_on([this](const std::string& line) { event(line); });
  measure();
  return pulse_;
}

void PulseReader::metrics(const std::string& line) {
  const Json json = parse(line);
  if (!json.is_object() || number(json, "step", -1) < 0) return;
  const auto step = static_cast<std::int64_t>(number(json, "step", 0));
  const auto attempt = static_cast<std::int64_t>(number(json, "attempt", 0));
  const double time = seconds_of(word(json, "time"));
  if (attempt != pulse_.attempt || step <= pulse_.step) {
    newest_.clear();
    if (attempt != pulse_.attempt) pulse_.longest_s = 0;
  } else if (!newest_.empty()) {
    pulse_.longest_s = std::max(pulse_.longest_s, time - newest_.back().time);
  }
  newest_.push_back({step, time, phases_of(json)});
  if (newest_.size() > kLines) newest_.pop_front();
  pulse_.step = step;
  pulse_.attempt = attempt;
  pulse_.epoch = static_cast<std::int64_t>(number(json, "epoch", 0));
  pulse_.last_loss = number(json, "loss", std::nan(""));
  pulse_.time_text = word(json, "time");
  pulse_.time = time;
  pulse_.samples_per_s = number(json, "samples_per_s", 0);
  pulse_.straggler_ratio = number(json, "straggler_ratio", 0);
  keep({step, pulse_.last_loss});
}

void PulseReader::keep(Point point) {
  Series& loss = pulse_.loss;
  while (!loss.empty() && loss.back().step >= point.step) loss.pop_back();
  if (count_++ % stride_ == 0) loss.push_back(point);
  if (loss.size() < kMostPoints) return;
  stride_ *= 2;
  for (std::size_t i = 0; i < loss.size() / 2; ++i) loss[i] = loss[2 * i];
  loss.resize(loss.size() / 2);
}

void PulseReader::event(const std::string& line) {
  const Json json = parse(line);
  if (!json.is_object()) return;
  StoryEvent event{word(json, "time"),
                   word(json, "event"),
                   static_cast<std::int64_t>(number(json, "attempt", 0)),
                   static_cast<std::int64_t>(number(json, "step", 0)),
                   {}};
  if (event.name.empty() || event.name.starts_with("checkpoint_") || event.name == "save_interval") return;
  for (const auto& [key, value] : json.items())
    event.fields.emplace_back(key, value.is_string() ? value.get<std::string>() : value.dump());
  if (is_one_of(event.name, {"attempt_begin", "attempt_end", "restarting", "waiting", "requeued", "gave_up"}))
    pulse_.supervisor = event;
  if (is_one_of(event.name, {"storage_slow", "hang"})) pulse_.trouble = event;
  if (event.name == "straggler") pulse_.straggler = event;
  pulse_.newest = std::move(event);
}

void PulseReader::measure() {
  if (newest_.empty()) return;
  std::vector<double> gaps;
  for (std::size_t i = 1; i < newest_.size(); ++i) gaps.push_back(newest_[i].time - newest_[i - 1].time);
  // Of a fast run many lines are of one millisecond: not the median of each.
  const double time = gaps.empty() ? 0 : newest_.back().time - newest_.front().time;
  const auto steps = static_cast<double>(newest_.back().step - newest_.front().step);
  pulse_.step_s = gaps.empty() ? 0 : time / steps;
  pulse_.seconds.clear();
  // Of a first line nobody knows how long its steps took in all.
  if (gaps.empty()) pulse_.seconds = newest_.back().seconds;
  for (std::size_t i = 1; i < newest_.size(); ++i)
    for (const auto& [phase, seconds] : newest_[i].seconds)
      pulse_.seconds[phase] += seconds * static_cast<double>(newest_[i].step - newest_[i - 1].step) / steps;
  pulse_.gap_s = median(std::move(gaps));
}

}  // namespace lockstep
