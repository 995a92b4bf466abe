// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "comm/agree.h"

namespace lockstep {

// What the ranks want after a step; the larger is granted.
enum class Wish : int { kGoOn = 0, kSave = 1, kStop = 2 };

// Collective. kStop when any rank was asked to stop: all stop after the same step. Else kSave when the clock
// of rank 0 asks for a save (`save_is_due`, ignored on the others): the next step is saved.
Agreed<Wish> ask_ranks(World& world, bool save_is_due);

}  // namespace lockstep
