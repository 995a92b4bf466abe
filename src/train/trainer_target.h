// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "loop/resume.h"
#include "train/admit.h"
#include "train/restore_places.h"
#include "train/training_state.h"

namespace lockstep {

// The trainer's state as a resume fills it. What is referenced outlives it. Local.
class TrainerTarget : public ResumeTarget {
 public:
  struct Rules {
    AdmitCheckpoint admit;
    std::vector<std::string> allow_changes;
    bool speaks = false;
  };
  TrainerTarget(TrainingState& state, Rules rules) : state_(state), rules_(std::move(rules)) {}

  std::vector<MutableStateTensor> places(const CheckpointReader& checkpoint) override;
  void take_over(TrainRecord& record) override;

 private:
  TrainingState& state_;
  Rules rules_;
  RestorePlaces places_;
};

}  // namespace lockstep
