// SPDX-License-Identifier: Apache-2.0
#include "run/journal.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/run_layout.h"
#include "run/tensorboard.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

// Numbers in fields stay numbers for those who read the file.
Json field(const std::string& text) {
  const Json parsed = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return parsed.is_number() ? parsed : Json(text);
}

std::string line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string json_number(double value) {
  return number(value).dump();
}

Journal::Journal(Disk& disk, const Clock& clock, const std::string& run_directory, Attempt attempt)
    : disk_(&disk),
      clock_(&clock),
      metrics_(RunLayout(run_directory).metrics()),
      events_(RunLayout(run_directory).events()),
      attempt_(attempt),
      writer_(std::make_shared<LineWriter>(
          [&disk](const std::string& path, const std::string& line) { disk.append(path, line); })) {
  end_torn_line(metrics_);
  end_torn_line(events_);
}

void Journal::end_torn_line(const std::string& path) {
  const auto info = disk_->info(path);
  if (!info || info->bytes == 0) return;
  char last = '\n';
  disk_->open(path)->read_at(info->bytes - 1, std::as_writable_bytes(std::span(&last, 1)));
  if (last != '\n') disk_->append(path, "\n");
}

double Journal::unix_time() const {
  return std::chrono::duration<double>(clock_->wall().time_since_epoch()).count();
}

void Journal::write_tensorboard() {
  const std::string folder = parent_of(metrics_) + "/tb";
  disk_->make_directory(folder);
  tensorboard_ = folder + "/" + tensorboard_file(attempt_.value);
}

void Journal::begin(Step first) {
  if (tensorboard_.empty()) return;
  writer_->append(tensorboard_, tensorboard_start(unix_time(), first.value));
  told_ = Step(first.value - 1);
}

void Journal::record(const StepRecord& record) {
  Json json = {{"step", record.step.value},
               {"epoch", record.epoch.value},
               {"attempt", attempt_.value},
               {"loss", number(record.loss)},
               {"lr", number(record.lr)},
               {"grad_norm", number(record.grad_norm)},
               {"samples_per_s", number(record.samples_per_s)},
               {"time", iso_time(clock_->wall())}};
  for (const auto* metrics : {&record.metrics, &record.train_metrics})
    for (const auto& [name, value] : *metrics) json[name] = number(value);
  for (const auto& [phase, value] : record.seconds) json["seconds"][phase] = number(value);
  if (record.straggler_ratio > 0) json["straggler_ratio"] = number(record.straggler_ratio);
  writer_->append(metrics_, line(json));
  if (tensorboard_.empty()) return;
  // A run may go back without an end of its life.
  if (record.step <= told_) begin(record.step);
  told_ = record.step;
  std::map<std::string, double> values = record.metrics;
  values.insert(record.train_metrics.begin(), record.train_metrics.end());
  values.insert({{"loss", record.loss},
                 {"lr", record.lr},
                 {"grad_norm", record.grad_norm},
                 {"samples_per_s", record.samples_per_s}});
  for (const auto& [phase, value] : record.seconds) values["seconds/" + phase] = value;
  if (record.straggler_ratio > 0) values["straggler_ratio"] = record.straggler_ratio;
  writer_->append(tensorboard_, tensorboard_values(unix_time(), record.step.value, values));
}

void Journal::event(const std::string& name, const std::map<std::string, std::string>& fields) {
  Json json = {{"time", iso_time(clock_->wall())}, {"attempt", attempt_.value}, {"event", name}};
  for (const auto& [key, value] : fields) json[key] = field(value);
  writer_->append(events_, line(json));
}

void Journal::flush() {
  writer_->flush();
}

void Journal::flush_for(std::chrono::milliseconds limit) {
  writer_->flush_for(limit);
}

}  // namespace lockstep
