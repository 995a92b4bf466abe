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
// count from the midnight (UTC) before rank 0 began, by the system's clock, so that the files of several
// ranks can be laid over each other (Note [trace time]); an event `process_labels` says which midnight. A
// trace that ends with a killed rank is good up to there: the format needs no end.
class Profile : public WatchObserver {
 public:
  // Collective. `path` itself where there is one rank, else `path` with ".rank-N" before its ending. A file
  // that is there is begun anew. Throws AgreedFault (64) when one cannot be written.
  Profile(World& world, const std::string& path);
  // Local. Writes what waits.
  ~Profile() override;
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  static std::string path_of(const std::string& path, Rank rank, WorldSize world);

  void phase_ended(Phase phase, std::int64_t began_ns, std::int64_t ended_ns) override;
  void collective_ended(const CollectiveCall& call) override;

 private:
  void open(const std::string& mine);
  void add(const std::string& event);
  // The event that says where times count from.
  std::string origin() const;
  // When something was, in the words of an event.
  std::string span(std::int64_t began_ns, std::int64_t ended_ns) const;

  std::shared_ptr<Watch> watch_;
  int rank_;
  std::int64_t midnight_ns_;  // of the system's clock: where the trace has 0 …
  std::int64_t zero_ns_;      // … and the monotonic one's time of it
  std::unique_ptr<LineWriter> writer_;
  std::mutex adding_;  // phases and collectives may be of two threads
  bool begun_ = false;
  bool is_whole_ = true;
};

}  // namespace lockstep
