// SPDX-License-Identifier: Apache-2.0
// LD_PRELOAD: each MPI_Allreduce first sleeps SLOW_US microseconds. A step that lasts, and needs no core.
#include <mpi.h>
#include <unistd.h>

#include <cstdlib>

extern "C" int MPI_Allreduce(const void* from, void* to, int count, MPI_Datatype type, MPI_Op op,
                             MPI_Comm comm) {
  static const char* const kPause = std::getenv("SLOW_US");
  if (kPause != nullptr) ::usleep(static_cast<useconds_t>(std::atoi(kPause)));
  return PMPI_Allreduce(from, to, count, type, op, comm);
}
