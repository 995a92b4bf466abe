// SPDX-License-Identifier: Apache-2.0
#include "train/setbacks.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/run_layout.h"
#include "checkpoint/catalog.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "train/odd_values.h"

namespace lockstep {
namespace {

constexpr int kMostSkips = 10;     // in a row
constexpr int kMostRollbacks = 3;  // that come no further

Remedy remedy_named(const std::string& word) {
  if (word == "skip") return Remedy::kSkip;
  if (word == "rollback") return Remedy::kRollBack;
  return word == "stop" ? Remedy::kStop : Remedy::kUpdate;
}

[[noreturn]] void give_up(const BadStep& bad, const std::string& why, const std::string& first) {
  throw AgreedFault(ExitCode::kNeverRestart, fmt::format("{}. {}", bad.fact, why),
                    first + (bad.remedy.empty() ? "" : ". " + bad.remedy));
}

}  // namespace

StepRecord without_update(StepRecord record) {
  record.loss = std::nan("");
  record.grad_norm = std::nan("");
  return record;
}

std::optional<Step> Setbacks::recall(bool own) {
  std::string mine;
  on_root(parts_.world, [&] {
    if (!own) return;
    mine = read_left_out(parts_.disk, parts_.directory).value_or("");
    if (!mine.empty()) LeftOut::decode(mine);
  });
  const std::string text = agree_on_root(parts_.world, mine).value;
  recalled_ = !text.empty();
  left_out_ = recalled_ ? LeftOut::decode(text) : LeftOut();
  return left_out_.way_back();
}

void Setbacks::way_is_back() {
  left_out_.forget_way();
  keep();
}

void Setbacks::go_on_from(const std::string& extra) {
  together(parts_.world, [&] {
    const auto json = nlohmann::json::parse(extra, nullptr, /*allow_exceptions=*/false);
    std::vector<double> losses;
    if (const auto found = json.find(kLosses); found != json.end() && found->is_array())
      for (const auto& loss : *found)
        if (loss.is_number()) losses.push_back(loss.get<double>());
    scale_.restore(std::move(losses));
    const auto record = json.find(kRecord);
    if (!recalled_) left_out_ = record == json.end() ? LeftOut() : LeftOut::decode(record->dump());
  });
  if (!recalled_) keep();
  recalled_ = true;
}

std::string Setbacks::add_to(const std::string& extra) const {
  auto json = nlohmann::json::parse(extra);
  if (!left_out_.empty()) json[kRecord] = nlohmann::json::parse(left_out_.encode());
  if (!scale_.losses().empty()) json[kLosses] = scale_.losses();
  return json.dump();
}

void Setbacks::keep() {
  on_root(parts_.world, [&] {
    if (left_out_.empty() && !read_left_out(parts_.disk, parts_.directory)) return;
    write_left_out(parts_.disk, parts_.directory, left_out_);
    fault_point("setback.recorded");
  });
}

StepVerdict Setbacks::verdict(const StepRecord& record) const {
  if (!std::isfinite(record.loss) || !std::isfinite(record.grad_norm)) return StepVerdict::kDiverged;
  return scale_.is_spike(record.loss) ? StepVerdict::kSpike : StepVerdict::kHealthy;
}

Remedy Setbacks::remedy_for(StepVerdict verdict) const {
  if (verdict == StepVerdict::kHealthy) return Remedy::kUpdate;
  return remedy_named(verdict == StepVerdict::kSpike ? options_.on_spike.action : options_.on_nan);
}

BadStep Setbacks::spike(const StepRecord& record) const {
  return {
      record,
      fmt::format("step {}: the loss is {}, {:.1f} robust standard deviations above the last {}",
                  record.step.value, record.loss, scale_.z(record.loss).value_or(0), scale_.losses().size()),
      "Look at the batch, lower optim.lr or set train.grad_clip; on_spike.z says what a spike is"};
}

void Setbacks::tell(const std::string& event, const BadStep& bad, std::map<std::string, std::string> fields) {
  fields["step"] = std::to_string(bad.record.step.value);
  fields["cause"] = bad.fact;
  fields["loss"] = fmt::format("{}", without_sign(bad.record.loss));
  parts_.reporter.event(event, fields);
}

void Setbacks::warn(const BadStep& bad) {
  if (parts_.world.is_root()) log_warning("{}", bad.fact);
  tell("loss_spike", bad, {{"z", fmt::format("{:.1f}", scale_.z(bad.record.loss).value_or(0))}});
}

void Setbacks::skip(const BadStep& bad) {
  const Step step = bad.record.step;
  const int before = left_out_.skipped_before(step);
  if (!bad.skip_helps)
    give_up(bad, "To skip a step does not mend that", "on_nan=rollback goes back to an older state");
  if (before + 1 >= kMostSkips)
    give_up(
        bad,
        fmt::format("That is the {}th bad step in a row; the {} before it were skipped", before + 1, before),
        "It is not one batch that is at fault");
  left_out_.skip(step);
  keep();
  if (parts_.world.is_root()) log_warning("{}. The step makes no update", bad.fact);
  tell("step_skipped", bad, {{"in_a_row", std::to_string(before + 1)}});
}

bool Setbacks::has_checkpoint_until(Step limit) {
  bool found = false;
  on_root(parts_.world, [&] {
    for (const CatalogEntry& entry : list_catalog(parts_.disk, RunLayout(parts_.directory).checkpoints()))
      found = found || (entry.kind == EntryKind::kCheckpoint && entry.step <= limit);
  });
  return agree_max(parts_.world, found).value;
}

Step Setbacks::roll_back(const BadStep& bad) {
  const Step step = bad.record.step;
  const Step limit(step.value - options_.rollback.steps);
  const int before = left_out_.fruitless_before(step, options_.rollback.steps);
  if (before >= kMostRollbacks)
    give_up(bad,
            fmt::format("{} rollbacks did not bring the run {} steps past the bad step before", before,
                        options_.rollback.steps),
            "It is not these batches that are at fault");
  if (!has_checkpoint_until(limit))
    give_up(bad, fmt::format("There is no checkpoint of step {} or older to go back to", limit.value),
            "Save more often, or set a smaller rollback.steps");
  const Rollback rollback = LeftOut::around(step, options_.rollback);
  left_out_.roll_back(rollback, limit);
  keep();
  if (parts_.world.is_root())
    log_warning("{}. The run goes back {} steps or more and leaves out the batches of steps {} to {}",
                bad.fact, options_.rollback.steps, rollback.first.value, rollback.last.value);
  tell("rolled_back", bad,
       {{"to_at_most", std::to_string(limit.value)},
        {"leaves_out", fmt::format("steps {} to {}", rollback.first.value, rollback.last.value)},
        {"in_a_row", std::to_string(before + 1)}});
  return limit;
}

}  // namespace lockstep
