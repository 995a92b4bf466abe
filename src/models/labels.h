// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "lockstep/models/target_notes.h"

namespace lockstep {

// Local. How many of the integer targets count (are not notes.ignore), once each of those is known to be one
// of 0 .. classes - 1. Throws Fault (78) that names the first other one and its sample. Looks at notes.host
// where `target` is notes.given, else brings the targets to the host.
std::int64_t checked_labels(const torch::Tensor& target, std::int64_t classes, const TargetNotes& notes);

// Local. The same count without the look at the classes.
std::int64_t kept_labels(const torch::Tensor& target, const TargetNotes& notes);

}  // namespace lockstep
