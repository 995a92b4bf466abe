// SPDX-License-Identifier: Apache-2.0
#include "cli/run_view.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdlib>

#include "base/run_layout.h"
#include "config/load.h"
#include "lockstep/base/clock.h"
#include "lockstep/base/disk.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "run/run_lock.h"
#include "supervise/former_life.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

// The config that the newest attempt ran with.
std::string newest_config(const std::string& directory, Attempt attempts) {
  for (int attempt = attempts.value; attempt > 1; --attempt) {
    const std::string path = fmt::format("{}/config.attempt-{}.yaml", directory, attempt);
    if (real_disk().info(path)) return path;
  }
  return RunLayout(directory).config();
}

double seconds_now() {
  return std::chrono::duration<double>(real_clock().wall().time_since_epoch()).count();
}

Json known(bool is, Json value) {
  return is ? std::move(value) : Json();
}

Json straggler_of(const Pulse& pulse) {
  const StoryEvent& event = pulse.straggler;
  // The event is of when it became one; the steps say whether it still is.
  if (pulse.straggler_ratio <= 0 || event.attempt != pulse.attempt) return {};
  return {{"rank", std::atoi(event.field("rank").c_str())},
          {"host", event.field("host")},
          {"ratio", pulse.straggler_ratio}};
}

}  // namespace

RunView::RunView(const std::string& directory, const ExtraTypes& types)
    : directory_(directory), types_(types), reader_(real_disk(), directory) {
  look();
}

// Steps change every moment, the rest with an event, an attempt or the end.
std::string RunView::changes() const {
  std::string all;
  const RunLayout run(directory_);
  for (const std::string& path : {run.identity(), run.events(), run.done()}) {
    const auto info = real_disk().info(path);
    all += info ? fmt::format("{} {},", info->bytes, info->modified_ns) : "-,";
  }
  return all;
}

void RunView::look() {
  const std::string now = changes();
  if (pulse_ == nullptr || now != seen_) {
    status_ = read_run_status(real_disk(), directory_);
    of_ = steps_in_all();
  }
  seen_ = now;
  status_.owner = lock_owner(directory_);
  pulse_ = &reader_.read_on();
  standing_ = standing_of(*pulse_, signs());
}

Signs RunView::signs() const {
  Signs signs;
  signs.done = status_.done.has_value();
  signs.held = status_.owner.has_value();
  signs.attempt = status_.attempts.value;
  signs.now = seconds_now();
  if (const auto run = real_disk().info(RunLayout(directory_).identity()))
    signs.began = static_cast<double>(run->modified_ns) * 1e-9;
  const auto lives = supervisor_lives(directory_);
  if (lives) signs.supervisor = *lives ? Signs::Supervisor::kLives : Signs::Supervisor::kGone;
  // A batch job's supervisor leaves no record, and may be on any host.
  if (lives == false && !pulse_->supervisor.field("job").empty())
    signs.supervisor = Signs::Supervisor::kUnknown;
  return signs;
}

// How far the run goes; 0 while nobody knows, as with train.epochs before the first checkpoint.
std::int64_t RunView::steps_in_all() const {
  if (status_.done) return status_.done->value;
  try {
    const RunConfig config = load_config(newest_config(directory_, status_.attempts), {}, types_);
    if (config.train.steps > 0) return config.train.steps;
    // With another batch, epochs have another length; the next checkpoint says it.
    if (status_.global_batch != config.train.global_batch) return 0;
    const std::int64_t whole = config.train.epochs - 1 - status_.epoch.value;
    return whole < 0 ? status_.checkpoint_step.value
                     : status_.epoch_end.value + whole * status_.steps_per_epoch;
  } catch (const Fault& fault) {
    log_warning("the number of steps is not known: {}", fault.what());
    return 0;
  }
}

Json RunView::json() const {
  const Pulse& pulse = *pulse_;
  const bool stepped = pulse.time > 0;
  const bool runs = standing_.state == "running";
  Json json = {{"directory", directory_},
               {"name", status_.name},
               {"run_id", status_.run_id},
               {"state", standing_.state},
               {"why", known(!standing_.why.empty(), standing_.why)},
               {"done", status_.done.has_value()},
               {"owner", known(status_.owner.has_value(), status_.owner.value_or(""))},
               {"attempts", status_.attempts.value},
               {"step", pulse.step},
               {"of", known(of_ > 0, of_)},
               {"epoch", pulse.epoch}};
  json["loss"] = known(!pulse.time_text.empty() && std::isfinite(pulse.last_loss), pulse.last_loss);
  json["time"] = known(!pulse.time_text.empty(), pulse.time_text);
  json["quiet_s"] = known(status_.owner.has_value(), standing_.quiet_s);
  json["step_s"] = known(pulse.step_s > 0, pulse.step_s);
  json["eta_s"] = known(runs && stepped && of_ > 0 && pulse.step_s > 0,
                        pulse.step_s * static_cast<double>(of_ - pulse.step));
  json["seconds"] = known(!pulse.seconds.empty(), pulse.seconds);
  json["straggler"] = straggler_of(pulse);
  json["skipped_steps"] = status_.skipped_steps;
  json["rollbacks"] = status_.rollbacks;
  json["checkpoint"] = known(!status_.checkpoint.empty(), status_.checkpoint);
  json["checkpoint_step"] = known(!status_.checkpoint.empty(), status_.checkpoint_step.value);
  json["saves"] = known(!status_.save_interval.empty(), status_.save_interval);
  json["saves_because"] = known(!status_.save_interval.empty(), status_.save_reason);
  json["state_hash"] = known(!status_.state_hash.empty(), status_.state_hash);
  return json;
}

}  // namespace lockstep
