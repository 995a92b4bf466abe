// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "lockstep/comm/watch.h"
#include "lockstep/comm/world.h"

namespace lockstep {

class LineWriter;

// What a rank does and when, as a Chrome trace (the JSON array format of Google's "Trace Event Format", which
// Perfetto and chrome://tracing open): each phase of a step on one track, each collective on another. Times
// are of the system's clock, so that the files of several ranks can be laid over each other. A trace that
// ends with a killed rank is good up to there: the format needs no end.
class Profile : public WatchObserver {
 public:
  // `path` itself where there is one rank, else `path` with ".rank-N" before its ending. Local. A file that
  // is there is begun anew. Throws Fault (64) when it cannot be written.
  Profile(World& world, const std::string& path);
  // Local. Writes what waits.
  ~Profile() override;
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  static std::string path_of(const std::string& path, Rank rank, WorldSize world);

  void phase_ended(Phase phase, std::int64_t began_ns, std::int64_t ended_ns) override;
  void collective_ended(const CollectiveCall& call) override;

 private:
  void add(const std::string& event);

  std::shared_ptr<Watch> watch_;
  int rank_;
  std::int64_t epoch_ns_;  // of the system's clock, where the monotonic one has 0
  std::unique_ptr<LineWriter> writer_;
  std::mutex adding_;  // phases and collectives may be of two threads
  bool begun_ = false;
  bool is_whole_ = true;
};

}  // namespace lockstep
