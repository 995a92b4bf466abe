// SPDX-License-Identifier: Apache-2.0
#include "lockstep/comm/communicator.h"

namespace lockstep {

void Communicator::send(ConstSpan data, Rank to) {
  const Outgoing message{data, to};
  exchange({&message, 1}, {});
}

void Communicator::receive(MutableSpan data, Rank from) {
  const Incoming message{data, from};
  exchange({}, {&message, 1});
}

}  // namespace lockstep
