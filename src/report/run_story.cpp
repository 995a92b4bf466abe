// SPDX-License-Identifier: Apache-2.0
#include "report/run_story.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/read_lines.h"
#include "base/run_layout.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::int64_t whole(const Json& json, const char* key, std::int64_t otherwise) {
  const auto found = json.find(key);
  return found != json.end() && found->is_number_integer() ? found->get<std::int64_t>() : otherwise;
}

std::string word(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

class Reading {
 public:
  void metrics(const std::string& line) {
    const Json json = parse(line);
    const std::int64_t step = whole(json, "step", -1);
    if (step < 0) return;
    if (step <= last_step_) set_back(step);
    last_step_ = step;
    times_.emplace_back(word(json, "time"), step);
    for (const auto& [key, value] : json.items()) {
      if (key == "step" || key == "attempt" || key == "epoch") continue;
      if (key == "seconds" && value.is_object())
        for (const auto& [phase, seconds] : value.items())
          if (seconds.is_number())
            story.series[kSecondsPrefix + phase].push_back({step, seconds.get<double>()});
      if (value.is_number() || value.is_null())
        story.series[key].push_back({step, value.is_null() ? std::nan("") : value.get<double>()});
    }
  }

  void event(const std::string& line) {
    const Json json = parse(line);
    if (!json.is_object() || word(json, "event").empty()) return;
    StoryEvent event{word(json, "time"), word(json, "event"), whole(json, "attempt", 0), 0, {}};
    event.step = whole(json, "step", step_at(event.time));
    for (const auto& [key, value] : json.items())
      if (key != "time" && key != "event" && key != "attempt") event.fields.emplace_back(key, text_of(value));
    story.events.push_back(std::move(event));
  }

  RunStory story;

 private:
  Json parse(const std::string& line) {
    Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object()) return json;
    if (!line.empty()) ++story.unreadable_lines;
    return Json::object();
  }

  // An attempt goes on before the end of another: its steps are done anew.
  void set_back(std::int64_t step) {
    for (auto& [key, series] : story.series) {
      const auto first =
          std::lower_bound(series.begin(), series.end(), step,
                           [](const Point& point, std::int64_t at) { return point.step < at; });
      if (first == series.end()) continue;
      Series& lost = story.lost[key];
      lost.push_back({first->step, std::nan("")});  // not joined with what was lost before
      lost.insert(lost.end(), first, series.end());
      series.erase(first, series.end());
    }
  }

  // Of the last line at or before `time`; lines are in order of time unless a clock was set.
  std::int64_t step_at(const std::string& time) const {
    const auto after =
        std::upper_bound(times_.begin(), times_.end(), time,
                         [](const std::string& at, const auto& line) { return at < line.first; });
    return after == times_.begin() ? 0 : std::prev(after)->second;
  }

  std::int64_t last_step_ = -1;
  std::vector<std::pair<std::string, std::int64_t>> times_;
};

}  // namespace

std::string StoryEvent::field(const std::string& key) const {
  for (const auto& [name, value] : fields)
    if (name == key) return value;
  return "";
}

RunStory read_run_story(Disk& disk, const std::string& directory) {
  if (!disk.info(RunLayout(directory).identity()))
    throw Fault(ExitCode::kInputMissing, directory + ": no run directory: it has no run.json",
                "Name a run.dir; lockstep config show -c run.yaml prints it");
  Reading reading;
  for_each_line(disk, RunLayout(directory).metrics(),
                [&](const std::string& line) { reading.metrics(line); });
  for_each_line(disk, RunLayout(directory).events(), [&](const std::string& line) { reading.event(line); });
  const Json run = Json::parse(read_text(disk, RunLayout(directory).identity()), nullptr, false);
  reading.story.name = run.is_object() ? word(run, "name") : "";
  if (reading.story.name.empty()) reading.story.name = directory;
  return std::move(reading.story);
}

}  // namespace lockstep
