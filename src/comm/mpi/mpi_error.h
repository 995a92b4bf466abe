// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lockstep {

// Throws Fault (76) with MPI's own text when `code`, what the function `call` returned, is an error.
void try_mpi(int code, const char* call);

}  // namespace lockstep
