// SPDX-License-Identifier: Apache-2.0
#include "comm/check_arguments.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

bool overlap(ConstSpan a, ConstSpan b) {
  // Pointers into different arrays have no order of their own; their addresses do.
  const auto first = reinterpret_cast<std::uintptr_t>(a.data);
  const auto second = reinterpret_cast<std::uintptr_t>(b.data);
  return first < second + b.bytes() && second < first + a.bytes();
}

void check_memory(ConstSpan span) {
  check(span.data != nullptr || span.count == 0, "a span with elements has memory");
}

bool in_group(const Communicator& group, Rank rank) {
  return rank.value >= 0 && rank.value < group.size().value;
}

void check_pair(ConstSpan send, MutableSpan receive) {
  check(send.dtype == receive.dtype, "both spans of a collective have one dtype");
  check_memory(send);
  check_memory(receive);
}

// `whole` is what the in-place part lies in: it must be exactly this rank's part of it, or apart from it.
void check_in_place_part(const Communicator& group, ConstSpan whole, ConstSpan part) {
  const ConstSpan own = whole.slice(static_cast<std::size_t>(group.rank().value) * part.count, part.count);
  check(own.data == part.data || !overlap(whole, part), "spans overlap only in place");
}

// A message to oneself without its other half would wait for ever in MPI, and pass unseen where sends are
// buffered.
void check_messages_to_self(Rank self, std::span<const Outgoing> sends, std::span<const Incoming> receives) {
  std::vector<std::size_t> sent;
  for (const Outgoing& message : sends)
    if (message.peer == self && message.data.count != 0) sent.push_back(message.data.bytes());
  std::vector<std::size_t> received;
  for (const Incoming& message : receives)
    if (message.peer == self && message.data.count != 0) received.push_back(message.data.bytes());
  check(sent == received, "what a rank sends to itself it also receives");
}

}  // namespace

bool can_reduce(DType dtype) {
  return dtype != DType::kBool && dtype != DType::kFloat8E4M3 && dtype != DType::kFloat8E5M2;
}

void check_all_reduce(ConstSpan send, MutableSpan receive) {
  check_pair(send, receive);
  check(can_reduce(send.dtype), "a reduced dtype is neither bool nor fp8");
  check(send.count == receive.count, "an all-reduce receives as many elements as it sends");
  check(send.data == receive.data || !overlap(send, receive), "spans overlap only in place");
}

void check_reduce_scatter(const Communicator& group, ConstSpan send, MutableSpan receive) {
  check_pair(send, receive);
  check(can_reduce(send.dtype), "a reduced dtype is neither bool nor fp8");
  check(send.count == receive.count * static_cast<std::size_t>(group.size().value),
        "a reduce-scatter sends one part a rank");
  check_in_place_part(group, send, receive);
}

void check_all_gather(const Communicator& group, ConstSpan send, MutableSpan receive) {
  check_pair(send, receive);
  check(receive.count == send.count * static_cast<std::size_t>(group.size().value),
        "an all-gather receives one part a rank");
  check_in_place_part(group, receive, send);
}

void check_broadcast(const Communicator& group, MutableSpan data, Rank root) {
  check_memory(data);
  check(in_group(group, root), "the root is a rank of the group");
}

void check_exchange(const Communicator& group, std::span<const Outgoing> sends,
                    std::span<const Incoming> receives) {
  struct Range {
    std::uintptr_t first;
    std::uintptr_t last;
    bool received;
  };
  std::vector<Range> ranges;
  const auto add = [&](ConstSpan data, Rank peer, bool received) {
    check(in_group(group, peer), "a peer is a rank of the group");
    check_memory(data);
    if (data.count == 0) return;
    const auto first = reinterpret_cast<std::uintptr_t>(data.data);
    ranges.push_back({first, first + data.bytes(), received});
  };
  for (const Outgoing& message : sends) add(message.data, message.peer, false);
  for (const Incoming& message : receives) add(message.data, message.peer, true);
  // In order of address each span needs a look at what came before it only, not at every other span. Two
  // sends may share memory: one gradient goes to many.
  std::ranges::sort(ranges, {}, &Range::first);
  std::uintptr_t end_of_any = 0;
  std::uintptr_t end_of_received = 0;
  for (const Range& range : ranges) {
    check(range.first >= (range.received ? end_of_any : end_of_received),
          "what is received lies apart from every other span of the exchange");
    end_of_any = std::max(end_of_any, range.last);
    if (range.received) end_of_received = std::max(end_of_received, range.last);
  }
  check_messages_to_self(group.rank(), sends, receives);
}

}  // namespace lockstep
