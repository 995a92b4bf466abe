// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "lockstep/loop/session.h"

namespace lockstep {

// Local. A session over a world that somebody else joined, and will leave.
std::unique_ptr<Session> session_over(World world, torch::Device device = torch::kCPU);

// Local. A session of this process alone, without MPI, for whoever has no job: it listens for stop signals.
std::unique_ptr<Session> serial_session();

}  // namespace lockstep
