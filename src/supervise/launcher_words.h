// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "supervise/policy.h"

namespace lockstep {

// Standard error of mpirun: lines of the ranks, which are passed on, and mpirun's own blocks between lines of
// dashes, which are kept and read for the reason of a failure. Local.
class LauncherWords {
 public:
  explicit LauncherWords(std::vector<std::string> hosts) : hosts_(std::move(hosts)) {}

  // Takes what came and returns what is to be passed on.
  std::string take(const std::string& text);
  // The rest, at the end: a line that never ended.
  std::string rest();

  // What went wrong around the ranks, as far as mpirun or ssh says so, the line that says it, and the hosts
  // that are named in it.
  Circumstance circumstance() const { return circumstance_; }
  const std::string& detail() const { return detail_; }
  const std::vector<std::string>& bad_hosts() const { return bad_hosts_; }
  // mpirun's own text, whole.
  const std::string& blocks() const { return blocks_; }

 private:
  std::string take_line(const std::string& line);
  void read_for_reason(const std::string& line);

  std::vector<std::string> hosts_;
  std::string unfinished_;
  std::string blocks_;
  bool in_block_ = false;
  Circumstance circumstance_ = Circumstance::kNone;
  std::string detail_;
  std::vector<std::string> bad_hosts_;
};

}  // namespace lockstep
