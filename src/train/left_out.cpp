// SPDX-License-Identifier: Apache-2.0
#include "train/left_out.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMostBytes = 16u << 20;

std::string path_of(const std::string& directory) {
  return directory + "/left_out.json";
}

Step step_of(const Json& json) {
  return Step(json.get<std::int64_t>());
}

}  // namespace

bool LeftOut::contains(Step step) const {
  return skipped_.contains(step) || std::ranges::any_of(rollbacks_, [&](const Rollback& rollback) {
           return rollback.first <= step && step <= rollback.last;
         });
}

int LeftOut::skipped_before(Step step) const {
  int count = 0;
  while (skipped_.contains(Step(step.value - 1 - count))) ++count;
  return count;
}

Rollback LeftOut::around(Step bad, const RollbackOptions& options) {
  const std::int64_t earliest = std::max<std::int64_t>(bad.value - options.steps + 1, 1);
  const std::int64_t first = std::max(bad.value - options.batches / 2, earliest);
  return {bad, Step(first), Step(std::max(first + options.batches - 1, bad.value))};
}

void LeftOut::roll_back(const Rollback& rollback, Step limit) {
  rollbacks_.push_back(rollback);
  limit_ = limit;
}

int LeftOut::fruitless_before(Step now, std::int64_t steps) const {
  int count = 0;
  for (auto before = rollbacks_.rbegin(); before != rollbacks_.rend(); ++before, ++count) {
    if (now.value > before->at.value + steps) break;
    now = before->at;
  }
  return count;
}

std::string LeftOut::encode() const {
  Json json = {{"skipped", Json::array()}, {"rollbacks", Json::array()}};
  for (const Step step : skipped_) json["skipped"].push_back(step.value);
  for (const Rollback& rollback : rollbacks_)
    json["rollbacks"].push_back(
        {{"at", rollback.at.value}, {"first", rollback.first.value}, {"last", rollback.last.value}});
  if (limit_) json["going_back_to"] = limit_->value;
  return json.dump();
}

LeftOut LeftOut::decode(const std::string& text) try {
  LeftOut out;
  const Json json = Json::parse(text);
  for (const Json& step : json.at("skipped")) out.skipped_.insert(step_of(step));
  for (const Json& rollback : json.at("rollbacks"))
    out.rollbacks_.push_back(
        {step_of(rollback.at("at")), step_of(rollback.at("first")), step_of(rollback.at("last"))});
  if (json.contains("going_back_to")) out.limit_ = step_of(json.at("going_back_to"));
  return out;
} catch (const Json::exception&) {
  throw Fault(ExitCode::kNoValidCheckpoint, "the record of steps that are left out cannot be read",
              "Restore left_out.json; without it the run would not be what it was");
}

std::optional<std::string> read_left_out(Disk& disk, const std::string& directory) {
  if (!disk.info(path_of(directory))) return std::nullopt;
  return read_text(disk, path_of(directory), kMostBytes);
}

void write_left_out(Disk& disk, const std::string& directory, const LeftOut& left_out) {
  replace_text(disk, path_of(directory), left_out.encode() + "\n");
}

}  // namespace lockstep
