// SPDX-License-Identifier: Apache-2.0
#include "train/hook_calls.h"

#include <fmt/format.h>

#include "base/foreign_exception.h"
#include "checkpoint/catalog.h"
#include "comm/agree.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

Moment moment_of(const StepRecord& record) {
  return {record.step.value, record.epoch.value, record.loss, record.lr, record.metrics};
}

}  // namespace

void HookCalls::call(const std::string& name, const Hook& hook, const Moment& moment) {
  if (!hook) return;
  Moment here = moment;
  here.rank = world_.rank().value;
  const auto fault = [&](const ForeignException& thrown) {
    return Fault(ExitCode::kBug, fmt::format("hook {}, after step {}: {}", name, here.step, thrown.text),
                 "Look at what the program does there");
  };
  together(world_, [&] { with_foreign_faults([&] { hook(here); }, fault); });
}

void HookCalls::epoch_begins(Epoch epoch, const StepRecord& last) {
  if (last.step > Step(0) && last.epoch == epoch) return;
  Moment moment = moment_of(last);
  moment.epoch = epoch.value;
  moment.metrics.clear();
  call("epoch_begins", hooks_.epoch_begins, moment);
}

void HookCalls::evaluated(const StepRecord& record) {
  call("evaluated", hooks_.evaluated, moment_of(record));
}

void HookCalls::saved(const StepRecord& record, Step newest) {
  if (newest <= saved_) return;
  saved_ = newest;
  Moment moment = moment_of(record);
  moment.checkpoint = checkpoints_ + "/" + step_directory(newest);
  call("saved", hooks_.saved, moment);
}

}  // namespace lockstep
