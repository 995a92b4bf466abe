// SPDX-License-Identifier: Apache-2.0
#include "comm/loopback/loopback_communicator.h"

#include <fmt/format.h>

#include <cstring>
#include <vector>

#include "comm/check_arguments.h"
#include "comm/reduce_elements.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {
void copy(ConstSpan from, void* to) {
  if (from.count != 0 && from.data != to) std::memcpy(to, from.data, from.bytes());
}
}  // namespace

void LoopbackCommunicator::reduce_part(std::size_t first, MutableSpan receive, ReduceOp op) {
  // A temporary, because `receive` may be what another rank still reads.
  std::vector<std::byte> sum(receive.bytes());
  copy(hub_->posted(0).data.slice(first, receive.count), sum.data());
  for (int r = 1; r < size_.value; ++r)
    reduce_elements(op, hub_->posted(r).data.slice(first, receive.count), sum.data());
  hub_->meet();
  copy({sum.data(), receive.count, receive.dtype}, receive.data);
}

void LoopbackCommunicator::all_reduce(ConstSpan send, MutableSpan receive, ReduceOp op) {
  check_all_reduce(send, receive);
  if (size_.value == 1) return copy(send, receive.data);
  hub_->post(rank_, {fmt::format("all_reduce {}", static_cast<int>(op)), send});
  reduce_part(0, receive, op);
}

void LoopbackCommunicator::reduce_scatter(ConstSpan send, MutableSpan receive, ReduceOp op) {
  check_reduce_scatter(*this, send, receive);
  if (size_.value == 1) return copy(send, receive.data);
  hub_->post(rank_, {fmt::format("reduce_scatter {}", static_cast<int>(op)), send});
  reduce_part(static_cast<std::size_t>(rank_.value) * receive.count, receive, op);
}

void LoopbackCommunicator::all_gather(ConstSpan send, MutableSpan receive) {
  check_all_gather(*this, send, receive);
  if (size_.value == 1) return copy(send, receive.data);
  hub_->post(rank_, {"all_gather", send});
  for (int r = 0; r < size_.value; ++r) {
    // Another rank's in-place part lies in its own receive span, which only it writes.
    copy(hub_->posted(r).data, receive.slice(static_cast<std::size_t>(r) * send.count, send.count).data);
  }
  hub_->meet();
}

void LoopbackCommunicator::broadcast(MutableSpan data, Rank root) {
  check_broadcast(*this, data, root);
  if (size_.value == 1) return;
  hub_->post(rank_, {fmt::format("broadcast from {}", root.value), data});
  if (rank_ != root) copy(hub_->posted(root.value).data, data.data);
  hub_->meet();
}

void LoopbackCommunicator::exchange(std::span<const Outgoing> sends, std::span<const Incoming> receives) {
  check_exchange(*this, sends, receives);
  for (const Outgoing& message : sends)
    if (message.data.count != 0) hub_->send(rank_, message.peer, message.data);
  for (const Incoming& message : receives) {
    if (message.data.count == 0) continue;
    const std::vector<std::byte> arrived = hub_->receive(message.peer, rank_);
    check(arrived.size() == message.data.bytes(), "a message is as long as its receiver expects");
    std::memcpy(message.data.data, arrived.data(), arrived.size());
  }
}

void LoopbackCommunicator::barrier() {
  hub_->post(rank_, {"barrier", {}});
  hub_->meet();
}

void LoopbackCommunicator::abort() noexcept {
  hub_->fail(rank_, std::make_exception_ptr(
                        Fault(ExitCode::kPeerLost, fmt::format("rank {} gave up", rank_.value))));
}

}  // namespace lockstep
