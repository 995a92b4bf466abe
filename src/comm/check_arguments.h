// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "lockstep/comm/communicator.h"

namespace lockstep {

// The argument checks every backend makes before it sends anything, so that a wrong call is the same Bug
// everywhere. All are Local and throw Bug.

// Whether elements of `dtype` can be summed or compared. bool and the fp8 types are only moved.
bool can_reduce(DType dtype);

void check_all_reduce(ConstSpan send, MutableSpan receive);
void check_reduce_scatter(const Communicator& group, ConstSpan send, MutableSpan receive);
void check_all_gather(const Communicator& group, ConstSpan send, MutableSpan receive);
void check_broadcast(const Communicator& group, MutableSpan data, Rank root);

// Peers inside the group, memory present, no receive over another span, and what a rank sends to itself
// matches what it receives from itself, message by message.
void check_exchange(const Communicator& group, std::span<const Outgoing> sends,
                    std::span<const Incoming> receives);

}  // namespace lockstep
