// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lockstep/optim/loss_scaler.h"
#include "loop/reporter.h"
#include "train/options.h"

namespace lockstep {

// What train.precision: fp16 adds to a step of the trainer; with any other precision every function leaves
// things as they are. All ranks have the same numbers and so decide alike. Local.
//
// Note [overflow]: the forward pass does not know the scale, so a loss that is not finite is never the
// scaler's fault, and neither is a gradient once the scale has fallen below 1. Those are a matter of on_nan.
// Any other gradient that is not finite has overflowed: no update, half the scale, and nothing is recorded in
// the run's list of steps left out, since a life that goes on from a checkpoint has its scale and meets it
// again.
class LossScaling {
 public:
  explicit LossScaling(const TrainOptions& options) : is_on_(options.precision == "fp16") {}

  bool is_on() const { return is_on_; }
  // For the losses of micro-batches; null: they are not scaled.
  const LossScaler* scaler() const { return is_on_ ? &scaler_ : nullptr; }
  // A number that is proportional to the gradient, of the true one.
  double unscaled(double value) const { return is_on_ ? value / scaler_.scale() : value; }
  // Note [overflow].
  bool has_overflowed(const StepRecord& record) const;

  // The update was made.
  void updated();
  // It overflowed: says so, and lowers the scale. Returns what its line says.
  StepRecord overflowed(StepRecord record, Reporter& reporter);

  // What a line of metrics.jsonl says of it: the scale of the step, and how many have overflowed.
  void describe(StepRecord& record) const;
  // A checkpoint's `extra` with its state; and back, where there is one.
  std::string add_to(const std::string& extra) const;
  void go_on_from(const std::string& extra);

 private:
  bool is_on_;
  LossScaler scaler_;
};

}  // namespace lockstep
