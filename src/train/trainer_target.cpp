// SPDX-License-Identifier: Apache-2.0
#include "train/trainer_target.h"

#include "checkpoint/reader.h"
#include "lockstep/base/log.h"
#include "loop/module_modes.h"

namespace lockstep {
namespace {

void say_what_changed(const RestorePlaces& places) {
  for (const std::string& name : places.thawed)
    log_info("changed since the checkpoint: {} is trainable now; its optimizer state starts at zero", name);
  for (const std::string& name : places.frozen)
    log_info("changed since the checkpoint: {} is frozen now; its optimizer state is gone", name);
}

}  // namespace

std::vector<MutableStateTensor> TrainerTarget::places(const CheckpointReader& checkpoint) {
  rules_.admit(checkpoint.record());
  // Older formats say nothing of modes.
  if (checkpoint.manifest().format >= 3) restore_modes(state_.model(), checkpoint.record().eval_modules);
  places_ = restore_places(state_, checkpoint.manifest(), rules_.allow_changes);
  return places_.tensors;
}

void TrainerTarget::take_over(TrainRecord& record) {
  state_.commit_restore();
  record.frozen = state_.frozen_names();
  if (rules_.speaks) say_what_changed(places_);
}

}  // namespace lockstep
