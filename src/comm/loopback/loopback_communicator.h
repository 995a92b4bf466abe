// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

#include "comm/loopback/loopback_hub.h"
#include "lockstep/comm/communicator.h"

namespace lockstep {

// The backend without a network: ranks are threads of one process that read each other's memory. Sums are
// made in rank order. Beyond the contract of Communicator it also throws Bug, on every rank, when the ranks
// make different calls.
class LoopbackCommunicator : public Communicator {
 public:
  LoopbackCommunicator(std::shared_ptr<LoopbackHub> hub, Rank rank, WorldSize size)
      : hub_(std::move(hub)), rank_(rank), size_(size) {}

  Rank rank() const override { return rank_; }
  WorldSize size() const override { return size_; }
  std::string_view backend() const override { return "loopback"; }

  void all_reduce(ConstSpan send, MutableSpan receive, ReduceOp op) override;
  void reduce_scatter(ConstSpan send, MutableSpan receive, ReduceOp op) override;
  void all_gather(ConstSpan send, MutableSpan receive) override;
  void broadcast(MutableSpan data, Rank root) override;
  void exchange(std::span<const Outgoing> sends, std::span<const Incoming> receives) override;
  void barrier() override;
  void abort() noexcept override;

 private:
  // The rest of a reduction once all have posted: elements [first, first + receive.count) of every rank's
  // post into `receive`.
  void reduce_part(std::size_t first, MutableSpan receive, ReduceOp op);

  std::shared_ptr<LoopbackHub> hub_;
  Rank rank_;
  WorldSize size_;
};

}  // namespace lockstep
