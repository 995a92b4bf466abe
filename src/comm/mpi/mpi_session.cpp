// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/mpi_session.h"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <utility>
#include <vector>

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

namespace {

// Collective. Place::positions; `host`: the ranks of this one's host, in their order.
std::vector<int> positions_by_host(const Place& place, MPI_Comm host) {
  int lowest = place.rank.value;
  try_mpi(MPI_Bcast(&lowest, 1, MPI_INT, 0, host), "MPI_Bcast");
  std::vector<int> hosts(static_cast<std::size_t>(place.size.value));
  try_mpi(MPI_Allgather(&lowest, 1, MPI_INT, hosts.data(), 1, MPI_INT, MPI_COMM_WORLD), "MPI_Allgather");
  std::vector<std::size_t> ranks(hosts.size());
  std::iota(ranks.begin(), ranks.end(), std::size_t{0});
  std::ranges::stable_sort(ranks, {}, [&](std::size_t rank) { return hosts[rank]; });
  std::vector<int> positions(hosts.size());
  for (std::size_t position = 0; position < ranks.size(); ++position)
    positions[ranks[position]] = static_cast<int>(position);
  return positions;
}

}  // namespace

World mpi_world() {
  Place place;
  try_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &place.rank.value), "MPI_Comm_rank");
  try_mpi(MPI_Comm_size(MPI_COMM_WORLD, &place.size.value), "MPI_Comm_size");
  MPI_Comm host = MPI_COMM_NULL;
  try_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, place.rank.value, MPI_INFO_NULL, &host),
          "MPI_Comm_split_type");
  try_mpi(MPI_Comm_rank(host, &place.local_rank), "MPI_Comm_rank");
  try_mpi(MPI_Comm_size(host, &place.local_size), "MPI_Comm_size");
  place.positions = positions_by_host(place, host);
  try_mpi(MPI_Comm_free(&host), "MPI_Comm_free");
  std::array<char, MPI_MAX_PROCESSOR_NAME> name{};
  int length = 0;
  try_mpi(MPI_Get_processor_name(name.data(), &length), "MPI_Get_processor_name");
  place.host.assign(name.data(), static_cast<std::size_t>(length));
  return World(std::move(place), make_mpi_communicator(MpiCommunicator::kMaxPieceBytes));
}

}  // namespace lockstep
