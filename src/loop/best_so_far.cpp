// SPDX-License-Identifier: Apache-2.0
#include "loop/best_so_far.h"

#include <fmt/format.h>

#include <cstdlib>

#include <fmt/format.h>

#include <cmath>

#include "comm/agree.h"
#include "lockstep/base/error.h"

namespace lockstep {

bool BestSoFar::beaten_by(const std::map<std::string, double>& metrics, Step step) {
  if (rule_.count == 0) return false;
  const auto found = metrics.find(rule_.metric);
  if (found == metrics.end()) {
    std::string names;
    for (const auto& [name, value] : metrics) names += (names.empty() ? "" : ", ") + name;
    throw Fault(ExitCode::kConfig, fmt::format("checkpoint.keep_best.metric is {}", rule_.metric),
                "An evaluation of this model gives " + names);
  }
  if (std::isnan(found->second)) return false;
  const auto best = saved_.find("value");
  const bool better = best == saved_.end() || (rule_.mode == BestMode::kMax ? found->second > best->second
                                                                            : found->second < best->second);
  if (better) saved_ = {{"value", found->second}, {"step", static_cast<double>(step.value)}};
  return better;
}

// A life that was killed between a commit and its pointer leaves `best` behind; another rule has another
// best.
std::map<std::string, double> settled_best(World& world, CheckpointStore& store, const TrainRecord& record) {
  std::map<std::string, double> best;
  on_root(world, [&] { best = store.settle_best(record); });
  const std::string text = best.empty() ? "" : fmt::format("{:a} {:a}", best["value"], best["step"]);
  const std::string agreed = agree_on_root(world, text).value;
  char* rest = nullptr;
  if (agreed.empty()) return {};
  const double value = std::strtod(agreed.c_str(), &rest);
  return {{"value", value}, {"step", std::strtod(rest, nullptr)}};
}

}  // namespace lockstep
