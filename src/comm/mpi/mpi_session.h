// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

#include "lockstep/base/error.h"
#include "lockstep/comm/world.h"

namespace lockstep {

// Note [the one MPI session]: MPI's state belongs to the process, so these are functions over that state and
// no object: an object's destructor would have to decide between MPI_Finalize, which waits for peers that may
// be gone, and nothing.

// Local. Between start_mpi() and finish_mpi().
bool mpi_is_running();

// Collective. MPI_Init_thread, once; does nothing when it runs already. Throws Fault (69) when the library
// cannot be called from more than one thread.
void start_mpi();

// Collective. MPI_Finalize; does nothing when MPI does not run. Only for the way out on which all ranks leave
// together.
void finish_mpi();

// Local. Ends the whole job now: the launcher ends the other ranks and returns `code`. Safe from any thread.
[[noreturn]] void abort_mpi(ExitCode code) noexcept;

// Collective. One more communicator over all ranks, which sends at most `max_piece_bytes` at once (tests:
// few).
std::unique_ptr<Communicator> make_mpi_communicator(std::size_t max_piece_bytes);

// Collective. The place of this process, and a communicator over all of them; start_mpi() comes first.
World mpi_world();

}  // namespace lockstep
