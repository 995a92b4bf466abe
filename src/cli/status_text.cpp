// SPDX-License-Identifier: Apache-2.0
#include "cli/status_text.h"

#include <fmt/format.h>

#include "lockstep/base/log.h"
#include "report/standing.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& value) {
  return value.is_string() ? printable(value.get<std::string>()) : value.dump();
}

std::string line(const std::string& name, const std::string& text) {
  return fmt::format("{:<12}{}\n", name, text);
}

// "0.212 s: data 1 %, compute 70 %, …"
std::string phases(const Json& seconds) {
  double all = 0;
  for (const auto& [phase, value] : seconds.items()) all += value.get<double>();
  std::string text;
  for (const char* phase : {"data", "compute", "exchange", "optimizer", "other"})
    if (const auto found = seconds.find(phase); found != seconds.end() && all > 0)
      text += fmt::format("{}{} {:.0f} %", text.empty() ? "" : ", ", phase, found->get<double>() / all * 100);
  return text;
}

std::string pace(const Json& status) {
  if (status["step_s"].is_null()) return "";
  std::string text = length_of(status["step_s"].get<double>());
  if (!status["seconds"].is_null()) text += ": " + phases(status["seconds"]);
  return line("a step", text);
}

std::string setbacks(const Json& status) {
  if (status["skipped_steps"] == 0 && status["rollbacks"] == 0) return "";
  return line("setbacks", fmt::format("{} steps skipped, {} rollbacks", text_of(status["skipped_steps"]),
                                      text_of(status["rollbacks"])));
}

}  // namespace

std::string state_text(const Json& status) {
  std::string text = text_of(status["state"]);
  if (!status["why"].is_null()) text += ": " + text_of(status["why"]);
  return text;
}

std::string status_text(const Json& status) {
  std::string all = line("run", text_of(status["name"]));
  const std::string owner = status["owner"].is_null() ? "" : " (" + text_of(status["owner"]) + ")";
  all += line("state", state_text(status) + owner);
  all += line("attempts", text_of(status["attempts"]));
  const std::string of = status["of"].is_null() ? "" : " of " + text_of(status["of"]);
  all += line("step", text_of(status["step"]) + of);
  if (!status["eta_s"].is_null()) all += line("left", length_of(status["eta_s"].get<double>()));
  all += pace(status);
  if (const Json& slow = status["straggler"]; !slow.is_null())
    all += line("straggler",
                fmt::format("rank {} on {}: {:.2f} times the median before the exchange",
                            text_of(slow["rank"]), text_of(slow["host"]), slow["ratio"].get<double>()));
  all += setbacks(status);
  for (const char* key : {"loss", "time", "checkpoint"})
    if (!status[key].is_null()) all += line(key, text_of(status[key]));
  if (!status["saves"].is_null())
    all += line("saves", text_of(status["saves"]) + " (" + text_of(status["saves_because"]) + ")");
  if (!status["state_hash"].is_null()) all += line("state_hash", text_of(status["state_hash"]));
  return all;
}

}  // namespace lockstep
