// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "lockstep/base/units.h"

namespace lockstep {

// A checkpoint's `extra` says whether its run has been checked (Note [model check]): the member, and the step
// where that was.
std::string extra_with_check(std::optional<Step> checked);
std::optional<Step> checked_step(const std::string& extra);

}  // namespace lockstep
