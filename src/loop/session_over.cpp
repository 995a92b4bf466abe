// SPDX-License-Identifier: Apache-2.0
#include "loop/session_over.h"

#include <utility>

#include "comm/loopback/loopback_world.h"
#include "config/environment.h"
#include "loop/session_impl.h"
#include "run/stop_signals.h"
#include "run/supervisor_line.h"

namespace lockstep {

std::unique_ptr<Session> session_over(World world, torch::Device device) {
  return std::unique_ptr<Session>(new Session(std::make_unique<Session::Impl>(std::move(world), device)));
}

std::unique_ptr<Session> serial_session() {
  listen_for_stop_signals();
  supervisor_line().join(supervisor_address(), rank_by_launcher());
  std::unique_ptr<Session> session = session_over(world_of_one());
  session->impl().stop_times = stop_times();
  limit_stops(session->impl().stop_times);
  return session;
}

}  // namespace lockstep
