// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "checkpoint/state.h"

namespace lockstep {

// Looks at the record of a checkpoint that is about to be resumed from; throws Fault (78) when this config
// may not go on from it.
using AdmitCheckpoint = std::function<void(const TrainRecord&)>;

}  // namespace lockstep
