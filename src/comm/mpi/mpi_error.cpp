// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/mpi_error.h"

#include <fmt/format.h>
#include <mpi.h>

#include <array>
#include <string>

#include "lockstep/base/error.h"

namespace lockstep {

void try_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) [[likely]]
    return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  throw Fault(ExitCode::kPeerLost, fmt::format("{} failed on rank {}: {}", call, rank, text.data()),
              "A peer or the network is gone; restart the job to go on from the last checkpoint");
}

}  // namespace lockstep
