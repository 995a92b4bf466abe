// SPDX-License-Identifier: Apache-2.0
#include "optim/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/foreign_exception.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

void require(bool holds, const std::string& fact, const std::string& remedy) {
  if (!holds) throw Fault{ExitCode::kConfig, fact, remedy};
}

bool decays_to_final(const ScheduleOptions& options) {
  return options.type == "linear" || options.type == "cosine";
}

void check_options(const ScheduleOptions& options) {
  require(options.own || options.type == "constant" || options.type == "step" || decays_to_final(options),
          fmt::format("schedule.type is '{}'", options.type), "use constant, linear, cosine or step");
  require(options.warmup_steps >= 0, fmt::format("schedule.warmup_steps is {}", options.warmup_steps),
          "it must not be negative");
  require(options.final_lr >= 0.0, fmt::format("schedule.final_lr is {}", options.final_lr),
          "it must not be negative");
  require(options.final_lr == 0.0 || decays_to_final(options),
          fmt::format("schedule.final_lr has no effect on {}", options.type),
          "leave it out, or use schedule.type: linear or cosine");
  if (options.type == "step") {
    require(options.step_size >= 1, fmt::format("schedule.step_size is {}", options.step_size),
            "schedule.type: step needs at least 1");
    require(options.gamma > 0.0, fmt::format("schedule.gamma is {}", options.gamma), "it must be above 0");
  } else {
    require(options.step_size == 0, fmt::format("schedule.step_size has no effect on {}", options.type),
            "leave it out, or use schedule.type: step");
  }
}

double own_rate(const ScheduleOptions& options, const ScheduleMoment& moment) {
  const auto fault = [&](const ForeignException& thrown) {
    return Fault(ExitCode::kBug,
                 fmt::format("schedule '{}', step {}: {}", options.type, moment.step, thrown.text),
                 "Look at what was registered under that name");
  };
  const double rate = with_foreign_faults([&] { return options.own(moment); }, fault);
  if (std::isfinite(rate) && rate >= 0) return rate;
  throw Fault(
      ExitCode::kConfig,
      fmt::format("schedule '{}' gives a learning rate of {} for step {}", options.type, rate, moment.step),
      "It must be a number that is not negative");
}

}  // namespace

double learning_rate(const ScheduleOptions& options, double base_lr, Step step, Step last_step) {
  check_options(options);
  const std::int64_t warmup = options.warmup_steps;
  if (step.value <= warmup) return base_lr * static_cast<double>(step.value) / static_cast<double>(warmup);
  if (options.own) return own_rate(options, {base_lr, step.value, last_step.value, warmup, options.params});
  const std::int64_t after = step.value - warmup;
  if (options.type == "constant") return base_lr;
  if (options.type == "step") {
    return base_lr * std::pow(options.gamma, static_cast<double>((after - 1) / options.step_size));
  }
  // A run that was lengthened and shortened again may be past its last step; the line does not go below its
  // end.
  const std::int64_t span = std::max<std::int64_t>(last_step.value - warmup, 1);
  const double done = std::min(static_cast<double>(after) / static_cast<double>(span), 1.0);
  // Exactly the number in the config: the formula may miss it by a rounding.
  if (done == 1.0) return options.final_lr;
  const double left = options.type == "linear" ? 1.0 - done : 0.5 * (1.0 + std::cos(std::numbers::pi * done));
  return options.final_lr + (base_lr - options.final_lr) * left;
}

}  // namespace lockstep
