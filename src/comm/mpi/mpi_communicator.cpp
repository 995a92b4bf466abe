// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/mpi_communicator.h"

#include <algorithm>
#include <cstring>

#include "comm/check_arguments.h"
#include "comm/mpi/mpi_error.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// One tag is enough: messages of one pair of ranks arrive in the order they were sent.
constexpr int kTag = 1;

// Calls work(first, count) for consecutive pieces of at most `most` elements.
template <class Work>
void in_pieces(std::size_t total, std::size_t most, Work&& work) {
  for (std::size_t first = 0; first < total; first += most)
    work(first, static_cast<int>(std::min(most, total - first)));
}

struct Expected {
  std::size_t request;
  int bytes;
};

}  // namespace

MpiCommunicator::MpiCommunicator(std::size_t max_piece_bytes) : max_piece_bytes_(max_piece_bytes) {
  check(max_piece_bytes >= 8 && max_piece_bytes <= kMaxPieceBytes,
        "a piece holds an element and fits an int");
  try_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm_), "MPI_Comm_dup");
  try_mpi(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  try_mpi(MPI_Comm_rank(comm_, &rank_.value), "MPI_Comm_rank");
  try_mpi(MPI_Comm_size(comm_, &size_.value), "MPI_Comm_size");
}

void MpiCommunicator::all_reduce(ConstSpan send, MutableSpan receive, ReduceOp op) {
  check_all_reduce(send, receive);
  const bool in_place = send.data == receive.data;
  in_pieces(send.count, piece_of(send.dtype), [&](std::size_t first, int count) {
    const void* source = in_place ? MPI_IN_PLACE : send.slice(first, 0).data;
    try_mpi(MPI_Allreduce(source, receive.slice(first, 0).data, count, mpi_type_of(send.dtype),
                          ops_.of(send.dtype, op), comm_),
            "MPI_Allreduce");
  });
}

void MpiCommunicator::reduce_scatter(ConstSpan send, MutableSpan receive, ReduceOp op) {
  check_reduce_scatter(*this, send, receive);
  if (receive.count == 0) return;
  const MPI_Op mpi_op = ops_.of(send.dtype, op);
  if (receive.count <= piece_of(send.dtype))
    reduce_scatter_at_once(send, receive, mpi_op);
  else
    reduce_scatter_in_pieces(send, receive, mpi_op);
}

void MpiCommunicator::reduce_scatter_at_once(ConstSpan send, MutableSpan receive, MPI_Op op) {
  const auto own = send.slice(static_cast<std::size_t>(rank_.value) * receive.count, 0);
  // MPI's own in-place form destroys the other parts of `send`, which are not ours to write.
  const bool in_place = own.data == receive.data;
  if (in_place) scratch_.resize(receive.bytes());
  void* target = in_place ? scratch_.data() : receive.data;
  try_mpi(MPI_Reduce_scatter_block(send.data, target, static_cast<int>(receive.count),
                                   mpi_type_of(send.dtype), op, comm_),
          "MPI_Reduce_scatter_block");
  if (in_place) std::memcpy(receive.data, scratch_.data(), receive.bytes());
}

// A piece of every part would not lie in one run of memory, as MPI_Reduce_scatter_block wants it; a piece of
// one part does.
void MpiCommunicator::reduce_scatter_in_pieces(ConstSpan send, MutableSpan receive, MPI_Op op) {
  for (int root = 0; root < size_.value; ++root) {
    const auto part = send.slice(static_cast<std::size_t>(root) * receive.count, receive.count);
    const bool in_place = root == rank_.value && part.data == receive.data;
    in_pieces(receive.count, piece_of(send.dtype), [&](std::size_t first, int count) {
      const void* source = in_place ? MPI_IN_PLACE : part.slice(first, 0).data;
      void* target = root == rank_.value ? receive.slice(first, 0).data : nullptr;
      try_mpi(MPI_Reduce(source, target, count, mpi_type_of(send.dtype), op, root, comm_), "MPI_Reduce");
    });
  }
}

void MpiCommunicator::all_gather(ConstSpan send, MutableSpan receive) {
  check_all_gather(*this, send, receive);
  if (send.count == 0) return;
  if (send.count > piece_of(send.dtype)) return all_gather_in_pieces(send, receive);
  const auto own = receive.slice(static_cast<std::size_t>(rank_.value) * send.count, 0);
  const int count = static_cast<int>(send.count);
  const MPI_Datatype type = mpi_type_of(send.dtype);
  const void* source = own.data == send.data ? MPI_IN_PLACE : send.data;
  try_mpi(MPI_Allgather(source, count, type, receive.data, count, type, comm_), "MPI_Allgather");
}

void MpiCommunicator::all_gather_in_pieces(ConstSpan send, MutableSpan receive) {
  const auto own = receive.slice(static_cast<std::size_t>(rank_.value) * send.count, send.count);
  if (own.data != send.data) std::memcpy(own.data, send.data, send.bytes());
  for (int root = 0; root < size_.value; ++root)
    broadcast(receive.slice(static_cast<std::size_t>(root) * send.count, send.count), Rank{root});
}

void MpiCommunicator::broadcast(MutableSpan data, Rank root) {
  check_broadcast(*this, data, root);
  in_pieces(data.count, piece_of(data.dtype), [&](std::size_t first, int count) {
    try_mpi(MPI_Bcast(data.slice(first, 0).data, count, mpi_type_of(data.dtype), root.value, comm_),
            "MPI_Bcast");
  });
}

void MpiCommunicator::exchange(std::span<const Outgoing> sends, std::span<const Incoming> receives) {
  check_exchange(*this, sends, receives);
  std::vector<MPI_Request> requests;
  std::vector<Expected> expected;
  const auto next = [&] { return &requests.emplace_back(MPI_REQUEST_NULL); };
  // Receives first: a message that finds its target ready is written there at once, without a copy in
  // between.
  for (const Incoming& message : receives) {
    in_pieces(message.data.bytes(), max_piece_bytes_, [&](std::size_t first, int bytes) {
      expected.push_back({requests.size(), bytes});
      auto* target = static_cast<std::byte*>(message.data.data) + first;
      try_mpi(MPI_Irecv(target, bytes, MPI_BYTE, message.peer.value, kTag, comm_, next()), "MPI_Irecv");
    });
  }
  for (const Outgoing& message : sends) {
    in_pieces(message.data.bytes(), max_piece_bytes_, [&](std::size_t first, int bytes) {
      const auto* source = static_cast<const std::byte*>(message.data.data) + first;
      try_mpi(MPI_Isend(source, bytes, MPI_BYTE, message.peer.value, kTag, comm_, next()), "MPI_Isend");
    });
  }
  std::vector<MPI_Status> statuses(requests.size());
  try_mpi(MPI_Waitall(static_cast<int>(requests.size()), requests.data(), statuses.data()), "MPI_Waitall");
  // MPI calls a message that is too long an error, but not one that is too short.
  for (const Expected& piece : expected) {
    int arrived = 0;
    try_mpi(MPI_Get_count(&statuses[piece.request], MPI_BYTE, &arrived), "MPI_Get_count");
    check(arrived == piece.bytes, "a message is as long as its receiver expects");
  }
}

void MpiCommunicator::barrier() {
  try_mpi(MPI_Barrier(comm_), "MPI_Barrier");
}

}  // namespace lockstep
