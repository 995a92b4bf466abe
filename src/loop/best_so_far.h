// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "lockstep/base/units.h"
#include "lockstep/comm/world.h"
#include "shelf/store.h"

namespace lockstep {

// The best value yet of the metric that checkpoint.keep_best names.
class BestSoFar {
 public:
  explicit BestSoFar(KeepBest rule) : rule_(std::move(rule)) {}

  // Takes the metrics of an evaluation; true when they beat the best so far. The first wins a tie, NaN never
  // wins. Throws Fault (78) when the metric is not among them.
  bool beaten_by(const std::map<std::string, double>& metrics, Step step);

  // To and from a checkpoint's record: {"value": …, "step": …}, empty before the first evaluation.
  const std::map<std::string, double>& saved() const { return saved_; }
  void restore(const std::map<std::string, double>& saved) { saved_ = saved; }

 private:
  KeepBest rule_;
  std::map<std::string, double> saved_;
};

// Collective. What a run that goes on from `record` is to restore: the best so far, agreed on what rank 0's
// store finds (CheckpointStore::settle_best). Throws AgreedFault (74).
std::map<std::string, double> settled_best(World& world, CheckpointStore& store, const TrainRecord& record);

}  // namespace lockstep
