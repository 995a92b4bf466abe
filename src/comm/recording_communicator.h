// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "lockstep/comm/communicator.h"
#include "lockstep/comm/watch.h"

namespace lockstep {

// Notes every call in `watch`, which outlives it, and passes it on. What it notes of a device backend is the
// call that enqueues; the wait for it is synchronize()'s.
std::unique_ptr<Communicator> record_calls(std::unique_ptr<Communicator> inner, Watch& watch);

}  // namespace lockstep
