// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/derive.h"

namespace lockstep {

// Local. Throws Fault (78) when nothing says what to train on: data are never made up in silence.
void require_data(const Given& given);

// Local. Throws Fault (78) for a key that was given although the chosen types make no use of it.
void refuse_without_effect(const Given& given, const RunConfig& config);

// Local. What no single key can tell: do the values fit together? Throws Fault (78) that names the place of
// the offending key, both numbers, and what would fit.
void check_consistency(const Given& given, const RunConfig& config);

}  // namespace lockstep
