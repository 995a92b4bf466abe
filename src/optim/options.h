// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/optim/schedule.h"

namespace lockstep {

struct Optimizer;

// An item of optim.groups: parameters with numbers of their own. What is not given is the section's.
struct OptimGroup {
  std::vector<std::string> match;  // globs of their names
  std::optional<double> lr;        // follows the schedule in proportion to optim.lr
  std::optional<std::array<double, 2>> betas;
  std::optional<double> eps;
  std::optional<double> weight_decay;
  bool frozen = false;

  bool operator==(const OptimGroup&) const = default;
};

// The `optim` section; defaults are torch.optim's.
struct OptimOptions {
  std::string type = "adamw";  // sgd|adam|adamw
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.01;  // decoupled for adamw, L2 for adam and sgd
  double momentum = 0.0;       // sgd
  bool nesterov = false;       // sgd
  std::vector<OptimGroup> groups;
  bool sharded = false;  // between hosts (ZeRO stage 1): each has the state of what its ranks update
  std::map<std::string, std::string> params;  // of an optimizer of the program's own …
  std::shared_ptr<const Optimizer> own;       // … which has the name `type`; else null
};

// The `schedule` section. Steps count from 1; warm-up is linear from lr / warmup_steps to lr.
struct ScheduleOptions {
  std::string type = "constant";  // constant|linear|cosine|step
  std::int64_t warmup_steps = 0;
  double final_lr = 0.0;                      // linear, cosine: at the last step
  std::int64_t step_size = 0;                 // step: every so many steps …
  double gamma = 0.1;                         // … lr is multiplied by this
  std::map<std::string, std::string> params;  // of a schedule of the program's own …
  Schedule own;                               // … which has the name `type`; else empty
};

}  // namespace lockstep
