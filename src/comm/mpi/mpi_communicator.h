// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mpi.h>

#include <string_view>
#include <vector>

#include "comm/mpi/mpi_types.h"
#include "lockstep/comm/communicator.h"

namespace lockstep {

// Host memory over MPI: all processes of MPI_COMM_WORLD, on a communicator of its own so that no other
// message can match. MPI's counts are ints; longer spans go in pieces of `max_piece_bytes`, the same on all
// ranks. An error that MPI reports becomes Fault (76); most lost peers it does not report at all: that is the
// watchdog's to see.
class MpiCommunicator : public Communicator {
 public:
  static constexpr std::size_t kMaxPieceBytes = std::size_t{1} << 30;

  // Collective. MPI runs. It is not freed: MPI_Comm_free is collective, and MPI_Finalize takes it away.
  explicit MpiCommunicator(std::size_t max_piece_bytes);

  Rank rank() const override { return rank_; }
  WorldSize size() const override { return size_; }
  std::string_view backend() const override { return "mpi"; }

  void all_reduce(ConstSpan send, MutableSpan receive, ReduceOp op) override;
  void reduce_scatter(ConstSpan send, MutableSpan receive, ReduceOp op) override;
  void all_gather(ConstSpan send, MutableSpan receive) override;
  void broadcast(MutableSpan data, Rank root) override;
  void exchange(std::span<const Outgoing> sends, std::span<const Incoming> receives) override;
  void barrier() override;

 private:
  // Elements that go in one call.
  std::size_t piece_of(DType dtype) const { return max_piece_bytes_ / size_of(dtype); }
  // The two ways of a collective whose count does, or does not, fit one call.
  void reduce_scatter_at_once(ConstSpan send, MutableSpan receive, MPI_Op op);
  void reduce_scatter_in_pieces(ConstSpan send, MutableSpan receive, MPI_Op op);
  void all_gather_in_pieces(ConstSpan send, MutableSpan receive);

  MPI_Comm comm_ = MPI_COMM_NULL;
  Rank rank_;
  WorldSize size_;
  MpiOps ops_;
  std::size_t max_piece_bytes_;
  std::vector<std::byte>
      scratch_;  // the result of an in-place reduce-scatter, before it may overwrite its source
};

}  // namespace lockstep
