// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

// A job for `lockstep run`: what each rank runs, and where.
struct MpirunJob {
  std::vector<std::string> program;  // words; the binary first
  std::vector<std::string> begin;    // more words, until the job has made a commit of its own,
  std::vector<std::string> go_on;    // and from then on
  bool speaks = true;                // it is a lockstep program: its ranks speak to the supervisor
  std::string run_directory;         // empty: rank 0 says it
  bool standby = true;               // the next attempt may be loaded before it is needed
  int ranks = 0;                     // 0: as many as there is room for,
  std::vector<int> later_ranks;      // of the attempts after the first, one each; then the last stays
  int most_ranks = 0;                // and no more than these; 0: no limit
  std::string hostfile;
  int spares = 0;  // of its hosts
  std::optional<std::chrono::seconds> grace;
  std::string on_end;

  // How many ranks the attempt of this launch, counted from 1, is to have. Local.
  int ranks_of(int launch) const {
    const auto later = static_cast<std::size_t>(launch) - 1;
    if (later == 0 || later_ranks.empty()) return ranks;
    return later_ranks[std::min(later, later_ranks.size()) - 1];
  }
};

// What the supervisor knows of its surroundings (config/environment.h). Both outlive it.
struct Surroundings {
  std::string home;
  std::string temporary_folder;
  bool terminal = false;  // standard output is one
  std::chrono::milliseconds first_pause{1000};
};

}  // namespace lockstep
