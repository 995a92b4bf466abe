// SPDX-License-Identifier: Apache-2.0
#include "drill/life_story.h"
#include "base/run_layout.h"

#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using Json = nlohmann::json;

// Killed ranks leave torn lines: they are none.
Json parse(const std::string& line) {
  Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json::object();
}

template <class T>
T field(const Json& json, const char* key, T otherwise) {
  const auto found = json.find(key);
  if (found == json.end()) return otherwise;
  if constexpr (std::is_same_v<T, std::string>) {
    return found->is_string() ? found->get<T>() : otherwise;
  } else {
    return found->is_number() ? found->get<T>() : otherwise;
  }
}

}  // namespace

LifeStory::LifeStory(const std::string& run_directory)
    : events_(real_disk(), RunLayout(run_directory).events()),
      metrics_(real_disk(), RunLayout(run_directory).metrics()) {}

bool LifeStory::read() {
  const std::int64_t before = step();
  // The steps first: what an event says about them comes after.
  const bool stepped = metrics_.read_on([this](const std::string& line) { metrics(line); });
  const bool happened = events_.read_on([this](const std::string& line) { event(line); });
  const std::int64_t after = step();
  if (after == before) return stepped || happened;
  const auto now = std::chrono::steady_clock::now();
  step_time_ = before > 0 && after > before ? (now - stepped_at_) / (after - before)
                                            : std::chrono::steady_clock::duration(0);
  stepped_at_ = now;
  return true;
}

void LifeStory::metrics(const std::string& line) {
  const Json json = parse(line);
  newest_[field<std::int64_t>(json, "attempt", 0)] = field<std::int64_t>(json, "step", 0);
}

void LifeStory::event(const std::string& line) {
  const Json json = parse(line);
  const std::string name = field<std::string>(json, "event", "");
  if (name == "attempt_begin") {
    ranks_ = field(json, "ranks", 0);
  } else if (name == "attempt_trains") {
    ++lives_;
    trains_ = true;
    life_ = field<std::int64_t>(json, "attempt", 0);
    resumed_from_ = field<std::int64_t>(json, "step", 1) - 1;
  } else if (name == "attempt_end") {
    ++ends_;
    last_end_ = {field(json, "code", 0), field<std::string>(json, "cause", ""), field(json, "end_s", 0.0),
                 step()};
    trains_ = committed_ = false;
  } else if (name == "checkpoint_saved" || name == "done") {
    note_commit(field<std::int64_t>(json, "step", 0), field<std::string>(json, "state_hash", ""));
    if (name == "done") done_ = field<std::int64_t>(json, "step", 0);
  } else if (name == "checkpoint_failed") {
    ++failed_saves_;
  }
}

std::int64_t LifeStory::newest_of(std::int64_t life) const {
  const auto found = newest_.find(life);
  return found == newest_.end() ? 0 : found->second;
}

void LifeStory::note_commit(std::int64_t step, const std::string& hash) {
  committed_ = true;
  const auto [known, is_new] = commits_.emplace(step, hash);
  if (!is_new && known->second != hash && !contradiction_) contradiction_ = step;
}

}  // namespace lockstep
