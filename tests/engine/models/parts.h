// SPDX-License-Identifier: Apache-2.0
// A schedule, an optimizer and hooks of a program's own.
#pragma once

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "lockstep/cli/application.h"

inline double number(const std::map<std::string, std::string>& params, const char* name, double otherwise) {
  const auto found = params.find(name);
  return found == params.end() ? otherwise : std::stod(found->second);
}

inline double inverse_sqrt(const lockstep::ScheduleMoment& at) {
  return at.lr * number(at.params, "scale", 1) / std::sqrt(static_cast<double>(at.step));
}

// As schedule.type: linear, bit for bit.
inline double line(const lockstep::ScheduleMoment& at) {
  const double done =
      static_cast<double>(at.step - at.warmup) / static_cast<double>(at.last_step - at.warmup);
  return done == 1 ? 0 : at.lr * (1 - done);
}

inline void heavy_ball(lockstep::ParameterUpdate& update) {
  const torch::Tensor gradient = update.gradient.add(update.parameter, update.weight_decay);
  update.state["velocity"].mul_(number(update.params, "momentum", 0)).add_(gradient);
  update.parameter.sub_(update.state["velocity"], update.lr);
}

// Lines in HOOKS_FILE.<rank>, where that is set.
inline void tell(const lockstep::Moment& moment, const std::string& text) {
  if (const char* file = std::getenv("HOOKS_FILE"))
    std::ofstream(file + ("." + std::to_string(moment.rank)), std::ios::app) << text << "\n";
}

inline void add_parts(lockstep::Registries& registries) {
  using lockstep::Moment;
  registries.schedules.add("inverse_sqrt", inverse_sqrt);
  registries.schedules.add("line", line);
  registries.optimizers.add("heavy_ball", {.state = {"velocity"}, .update = heavy_ball});
  registries.optimizers.add("replacing", {.update = [](lockstep::ParameterUpdate& update) {
                              update.parameter = update.parameter - update.gradient;
                            }});
  registries.hooks.epoch_begins = [](const Moment& at) {
    tell(at, "epoch " + std::to_string(at.epoch) + " after " + std::to_string(at.step));
  };
  registries.hooks.evaluated = [](const Moment& at) {
    const char* rank = std::getenv("HOOKS_THROW");
    if (rank != nullptr && at.rank == std::atoi(rank)) throw std::runtime_error("not today");
    tell(at, at.metrics.contains("valid_loss") ? "evaluated " + std::to_string(at.step) : "no metrics");
  };
  registries.hooks.saved = [](const Moment& at) {
    tell(at,
         "saved " + at.checkpoint.substr(at.checkpoint.rfind('/') + 1) + " after " + std::to_string(at.step));
  };
}
