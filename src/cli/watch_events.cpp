// SPDX-License-Identifier: Apache-2.0
#include "cli/watch_events.h"

#include "lockstep/base/clock.h"
#include "lockstep/base/disk.h"
#include "lockstep/base/error.h"
#include "run/journal.h"
#include "run/supervisor_line.h"

namespace lockstep {

WatchSink watch_alarm() {
  return [](const std::string& event, const std::map<std::string, std::string>& fields) {
    if (event != "hang" && event != "rank_lost") return;
    const auto host = fields.find("host");
    supervisor_line().fault(ExitCode::kPeerLost, fields.at("cause"),
                            host == fields.end() ? "" : host->second);
  };
}

WatchSink watch_events(const std::string& run_directory, Attempt attempt) {
  return
      [run_directory, attempt](const std::string& event, const std::map<std::string, std::string>& fields) {
        // The supervisor first: the disk may be what is wrong.
        watch_alarm()(event, fields);
        // A journal of its own, since the watchdog's threads call.
        Journal(real_disk(), real_clock(), run_directory, attempt).event(event, fields);
      };
}

}  // namespace lockstep
