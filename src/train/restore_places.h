// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "checkpoint/manifest.h"
#include "train/training_state.h"

namespace lockstep {

// Where the tensors of a checkpoint go, when which parameters are frozen may have changed since.
struct RestorePlaces {
  std::vector<MutableStateTensor> tensors;
  std::vector<std::vector<std::byte>> dropped;  // what is read of a parameter's state that is frozen now
  std::vector<std::string> thawed;              // have no state there: it starts at zero
  std::vector<std::string> frozen;              // have state there, and need none any more
};

// Local. Throws Fault (78) naming the parameters when some were frozen or thawed since the checkpoint was
// written, unless `allowed` (resume.allow_changes) has kModelFrozen or the section above it. Before format 3
// a checkpoint does not say what was frozen: then state that nobody needs is passed over.
RestorePlaces restore_places(TrainingState& state, const Manifest& manifest,
                             const std::vector<std::string>& allowed);

}  // namespace lockstep
