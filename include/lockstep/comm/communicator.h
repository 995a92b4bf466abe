// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "lockstep/base/span.h"
#include "lockstep/base/units.h"

namespace lockstep {

enum class ReduceOp { kSum, kMin, kMax };

// One message of an exchange: `peer` is where it goes to, or comes from.
struct Outgoing {
  ConstSpan data;
  Rank peer;
};
struct Incoming {
  MutableSpan data;
  Rank peer;
};

// The collectives of one backend (mpi, nccl, loopback) over one fixed group of ranks. Spans lie in host
// memory for mpi and loopback, in device memory for nccl.
//
// Every function is Collective unless it says Local: all ranks call it, in the same order, with matching
// counts and dtypes. It returns when `receive` may be read on the host backends; nccl enqueues on the
// training stream, and synchronize() waits. Where send.data == receive.data the operation is in place; partly
// overlapping spans are a Bug. A wrong argument (dtype or count mismatch between the spans of one call, a
// peer or root outside the group, kBool reduced) throws Bug before anything is sent. When a peer is lost the
// call throws Fault (76) where the backend can tell; the communicator is unusable afterwards. Not
// thread-safe: one thread uses a communicator at a time.
class Communicator {
 public:
  virtual ~Communicator() = default;

  // Local.
  virtual Rank rank() const = 0;
  virtual WorldSize size() const = 0;
  virtual std::string_view backend() const = 0;

  // receive[i] = op over ranks of send[i]. The order of a sum is the backend's own: the same bits on every
  // rank, but they may depend on count and world size. Counts are equal on all ranks.
  virtual void all_reduce(ConstSpan send, MutableSpan receive, ReduceOp op) = 0;
  // send.count == size * receive.count; rank r receives the reduced r-th part. In place: receive is that part
  // of send.
  virtual void reduce_scatter(ConstSpan send, MutableSpan receive, ReduceOp op) = 0;
  // receive.count == size * send.count; part r comes from rank r. In place: send is that part of receive.
  virtual void all_gather(ConstSpan send, MutableSpan receive) = 0;
  virtual void broadcast(MutableSpan data, Rank root) = 0;
  // Point-to-point messages, all at once and without deadlock; between one pair of ranks they match in list
  // order. Collective only among the ranks that are named. A message to oneself is allowed. Empty spans are
  // skipped on both sides.
  virtual void exchange(std::span<const Outgoing> sends, std::span<const Incoming> receives) = 0;
  virtual void barrier() = 0;

  // Local. While what it returns lives, calls may move this memory without copies of their own (nccl:
  // ncclCommRegister); the communicator outlives that. Null where nothing is gained.
  virtual std::shared_ptr<const void> register_memory(MutableSpan /*memory*/) { return nullptr; }
  // Local. Waits until what was enqueued is done; on host backends there is nothing to wait for.
  virtual void synchronize() {}
  // Local. Gives up at once, without the others; never throws. For the way out after a Fault.
  virtual void abort() noexcept {}

  // The two ends of one message.
  void send(ConstSpan data, Rank to);
  void receive(MutableSpan data, Rank from);
};

}  // namespace lockstep
