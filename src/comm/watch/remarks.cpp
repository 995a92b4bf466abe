// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/remarks.h"

#include <fmt/format.h>

#include <thread>
#include <utility>

#include "lockstep/base/log.h"

namespace lockstep {

void Remarks::note_straggler(const Beat& beat, const WatchPeers& peers, Watch& watch) {
  if (!peers.is_root()) return;
  const std::int64_t judged = stragglers_.judged();
  const auto straggler = stragglers_.note(beat);
  if (stragglers_.judged() != judged) watch.set_straggler(straggler ? straggler->ratio : 0);
  // Once for each rank that becomes one.
  if (!straggler || straggler->rank == named_straggler_) return;
  named_straggler_ = straggler->rank;
  say("straggler",
      fmt::format("rank {} ({}) needs {:.2f} times as long as the median rank before the exchange",
                  straggler->rank, peers.host_of(straggler->rank), straggler->ratio),
      {{"rank", std::to_string(straggler->rank)},
       {"host", peers.host_of(straggler->rank)},
       {"ratio", fmt::format("{:.3f}", straggler->ratio)},
       {"seconds_per_micro_batch", fmt::format("{:.6f}", straggler->seconds)},
       {"steps", std::to_string(Watch::kBlock)}});
}

void Remarks::note_slow_storage(const RankView& view) {
  const double since = view.beat.in_phase;
  if (since < 2 * storage_said_ && since > storage_said_) return;
  storage_said_ = since;
  say("storage_slow", describe(view) + ": it waits for the disk, which is no hang",
      {{"rank", std::to_string(view.rank)},
       {"host", view.host},
       {"phase", std::string(name_of(view.beat.phase))},
       {"seconds", fmt::format("{:.1f}", since)}});
}

// On a thread of its own: the disk that a log lies on may be the one that does not answer.
// A remark that cannot be made, for want of a thread or of room, is no reason to end a run.
void Remarks::say(std::string event, std::string text, std::map<std::string, std::string> fields) const try {
  const auto speak = [sink = sink_, event = std::move(event), text = std::move(text),
                      fields = std::move(fields)]() noexcept {
    try {
      log_warning("{}", text);
      if (sink) sink(event, fields);
    } catch (const std::exception&) {
    }
  };
  std::thread(speak).detach();
} catch (const std::exception&) {
}

}  // namespace lockstep
