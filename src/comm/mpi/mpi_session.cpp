// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/mpi_session.h"

#include <mpi.h>

#include <array>
#include <cstdlib>
#include <utility>

#include "comm/mpi/mpi_communicator.h"
#include "comm/mpi/mpi_error.h"

namespace lockstep {

bool mpi_is_running() {
  int started = 0;
  int finished = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&finished);
  return started != 0 && finished == 0;
}

void start_mpi() {
  if (mpi_is_running()) return;
  int provided = MPI_THREAD_SINGLE;
  const int rc = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
  if (rc != MPI_SUCCESS || provided < MPI_THREAD_MULTIPLE) {
    throw Fault(ExitCode::kCannotStart,
                "MPI did not start with MPI_THREAD_MULTIPLE, which the watchdog's own thread needs",
                "Use an MPI library that was built with thread support");
  }
  // By default MPI ends the process at an error, before anybody can say which rank it was.
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
}

void finish_mpi() {
  if (mpi_is_running()) MPI_Finalize();
}

void abort_mpi(ExitCode code) noexcept {
  if (mpi_is_running()) MPI_Abort(MPI_COMM_WORLD, static_cast<int>(code));
  // Without exit handlers: they would run beside threads that still work.
  std::_Exit(static_cast<int>(code));
}

std::unique_ptr<Communicator> make_mpi_communicator(std::size_t max_piece_bytes) {
  return std::make_unique<MpiCommunicator>(max_piece_bytes);
}

World mpi_world() {
  Place place;
  try_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &place.rank.value), "MPI_Comm_rank");
  try_mpi(MPI_Comm_size(MPI_COMM_WORLD, &place.size.value), "MPI_Comm_size");
  MPI_Comm host = MPI_COMM_NULL;
  try_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, place.rank.value, MPI_INFO_NULL, &host),
          "MPI_Comm_split_type");
  try_mpi(MPI_Comm_rank(host, &place.local_rank), "MPI_Comm_rank");
  try_mpi(MPI_Comm_size(host, &place.local_size), "MPI_Comm_size");
  try_mpi(MPI_Comm_free(&host), "MPI_Comm_free");
  std::array<char, MPI_MAX_PROCESSOR_NAME> name{};
  int length = 0;
  try_mpi(MPI_Get_processor_name(name.data(), &length), "MPI_Get_processor_name");
  place.host.assign(name.data(), static_cast<std::size_t>(length));
  return World(std::move(place), make_mpi_communicator(MpiCommunicator::kMaxPieceBytes));
}

}  // namespace lockstep
