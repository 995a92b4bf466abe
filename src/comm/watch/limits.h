// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/watch/options.h"
#include "lockstep/comm/watch.h"

namespace lockstep {

// Note [limits of phases]: a phase that has ended before may take watch.limit_s, or, where that is not given,
// ten times the longest so far but at least watch.floor_s. One that has never ended (the first
// step, the first evaluation: libraries load, kernels are chosen) may take ten times that and at least a
// minute. Phases that wait for the disk, and start-up, which reads data and checkpoints in full, may take
// thirty times that: a restart does not mend a disk; past the usual limit they are only named.
class PhaseLimits {
 public:
  explicit PhaseLimits(const WatchOptions& options) : options_(options) {}

  // Seconds. `longest_s`: 0 when this has never ended yet.
  double of_phase(Phase phase, double longest_s) const;
  double of_call(double longest_s) const;
  // From when on waiting for the disk is worth a word.
  double storage_word() const { return base(); }
  // How long a rank may say nothing at all; its watchdog speaks four times a second.
  double silence() const { return base(); }

 private:
  double base() const { return options_.limit_s > 0 ? options_.limit_s : options_.floor_s; }
  double usual(double longest_s) const;

  WatchOptions options_;
};

}  // namespace lockstep
