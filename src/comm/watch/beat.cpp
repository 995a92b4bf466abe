// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/beat.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "comm/watch/limits.h"

namespace lockstep {
namespace {

float seconds(std::int64_t ns) {
  return static_cast<float>(static_cast<double>(std::max<std::int64_t>(ns, 0)) * 1e-9);
}

}  // namespace

Beat take_beat(int rank, const Watch& watch, const PhaseLimits& limits) {
  const Watch::Glimpse seen = watch.look();
  const std::int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
  Beat beat;
  beat.rank = rank;
  beat.phase = seen.phase;
  beat.in_phase = seen.since_ns == 0 ? 0 : seconds(now - seen.since_ns);
  beat.phase_limit = static_cast<float>(limits.of_phase(seen.phase, seconds(seen.longest_ns)));
  beat.sequence = seen.newest.sequence;
  beat.bytes = seen.newest.bytes;
  std::strncpy(beat.call.data(), seen.newest.name, beat.call.size() - 1);
  const bool inside = seen.newest.sequence > 0 && seen.newest.ended_ns == 0;
  beat.in_call = inside ? seconds(now - seen.newest.began_ns) : -1.0f;
  // As long as the job starts or ends, a call waits for phases that have no usual length.
  const bool starting = seen.phase == Phase::kStartUp || seen.phase == Phase::kLeaving;
  beat.call_limit = static_cast<float>(starting ? limits.of_phase(Phase::kStartUp, 0)
                                                : limits.of_call(seconds(seen.longest_call_ns)));
  beat.block = seen.block;
  beat.block_s = static_cast<float>(seen.block_s);
  return beat;
}

}  // namespace lockstep
