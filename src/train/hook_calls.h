// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>

#include "lockstep/comm/world.h"
#include "lockstep/train/hooks.h"
#include "run/journal.h"

namespace lockstep {

// Calls a program's hooks, each on every rank at the same place. All are Collective where there is such a
// hook, and throw AgreedFault (70) for what it throws on any rank.
class HookCalls {
 public:
  // `checkpoints`: the folder they are in.
  HookCalls(World& world, Hooks hooks, std::string checkpoints)
      : world_(world), hooks_(std::move(hooks)), checkpoints_(std::move(checkpoints)) {}

  // Before an update of `epoch`; calls where it is its first, `last` being the one before.
  void epoch_begins(Epoch epoch, const StepRecord& last);
  void evaluated(const StepRecord& record);
  // `newest` is the newest checkpoint; calls where it is a new one.
  void saved(const StepRecord& record, Step newest);
  // Local. `newest` is there already.
  void begin(Step newest) { saved_ = newest; }

 private:
  using Hook = std::function<void(const Moment&)>;
  void call(const std::string& name, const Hook& hook, const Moment& moment);

  World& world_;
  Hooks hooks_;
  std::string checkpoints_;
  Step saved_{0};
};

}  // namespace lockstep
