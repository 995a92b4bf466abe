// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "comm/watch/beat.h"

namespace lockstep {

// What one watchdog knows of a rank.
struct RankView {
  int rank = 0;
  std::string host;
  Beat beat;                  // its newest
  double silent_s = 0;        // since then
  double silence_limit = 60;  //
  bool left = false;          // it has said goodbye: it is not watched any more
};

// Why the job cannot go on.
struct Verdict {
  std::string cause;          // one line: who is late, in which phase, which collective the others wait in
  std::vector<int> silent;    // ranks that do not answer at all
  std::vector<int> culprits;  // ranks to look at, those among them
};

// Note [who is late]: a rank that waits in a collective is never late itself; the one that has not come is,
// and only once its own phase is past its limit. Waiting for the disk is not a hang. Where all ranks are in
// collectives, either they called different ones, or the messages do not arrive.
std::optional<Verdict> judge_ranks(const std::vector<RankView>& ranks);

// The rank that keeps the others waiting for its disk, for longer than `word` seconds.
std::optional<RankView> slow_storage(const std::vector<RankView>& ranks, double word_s);

// "rank 1 (node7) is in data for 9.1 s", "rank 0 (node7) waits in all_reduce #112 (8 bytes) for 9.0 s"
std::string describe(const RankView& view);

}  // namespace lockstep
