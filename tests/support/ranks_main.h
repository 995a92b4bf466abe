// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lockstep/comm/world.h"

namespace lockstep {

// The world mpirun started this test with. Only in *_ranks_test executables: their main, in ranks_main.cpp,
// joins it before the first case. Every rank runs every case; a case that fails on one rank ends the run on
// all.
World& test_world();

}  // namespace lockstep
