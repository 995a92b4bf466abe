// SPDX-License-Identifier: Apache-2.0
#include "supervise/on_end.h"

#include <poll.h>

#include <chrono>

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "supervise/process_session.h"

namespace lockstep {

void run_on_end(const std::string& command, const JobEnd& end) {
  if (command.empty()) return;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  try {
    ProcessSession shell({"/bin/sh", "-c", command}, {{"LOCKSTEP_CODE", std::to_string(end.code)},
                                                      {"LOCKSTEP_REASON", end.reason},
                                                      {"LOCKSTEP_RUN_DIR", end.run_directory}});
    std::string said;
    while (!shell.ended() && std::chrono::steady_clock::now() < deadline) {
      pollfd wanted{shell.said(), POLLIN, 0};
      ::poll(&wanted, 1, 20);
      said += shell.read_said();
    }
    if (!shell.ended()) end_session(shell.id(), std::chrono::seconds(1));
    said += shell.read_said();
    const int code = shell.ended().value_or(137);
    if (code != 0) log_warning("run.on_end ended with code {}: {}", code, said);
  } catch (const Fault& fault) {
    log_warning("run.on_end: {}", fault.what());
  }
}

}  // namespace lockstep
