// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lockstep {

// How many copies of the trainable parameters and of the optimizer's slots there are.
enum class StateCopies { kOfEachRank, kOfEachDomain, kOne };

}  // namespace lockstep
