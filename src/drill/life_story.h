// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/read_lines.h"

namespace lockstep {

// The end of a life, as the supervisor noted it.
struct LifeEnd {
  int code = 0;
  std::string cause;
  double since_s = 0;     // since a rank had said its last word, when the supervisor wrote this
  std::int64_t step = 0;  // the newest that the journal has of this life; 0: it had not ended one
};

// What the journals of a run directory tell while the run goes on, over all its lives. Local.
class LifeStory {
 public:
  explicit LifeStory(const std::string& run_directory);

  // Reads what is new. Was there anything?
  bool read();

  int ends() const { return ends_; }
  const LifeEnd& last_end() const { return last_end_; }
  // How many lives have ended a step.
  int lives() const { return lives_; }
  // Has the life that goes on ended a step? Then how many ranks it has, from which step it
  // began, and its newest.
  bool trains() const { return trains_; }
  int ranks() const { return ranks_; }
  std::int64_t resumed_from() const { return resumed_from_; }
  std::int64_t step() const { return trains_ ? newest_of(life_) : 0; }
  // How long the newest step took, as seen from here; 0: it was the first of its life.
  std::chrono::steady_clock::duration step_time() const { return step_time_; }
  std::int64_t newest_commit() const { return commits_.empty() ? 0 : commits_.rbegin()->first; }
  bool has_committed_in_this_life() const { return committed_; }
  // How many saves failed without ending the life.
  int failed_saves() const { return failed_saves_; }
  // State hashes by step, that of the end among them; and a step that was saved twice, not equal, if any.
  const std::map<std::int64_t, std::string>& commits() const { return commits_; }
  const std::optional<std::int64_t>& contradiction() const { return contradiction_; }
  bool done() const { return done_.has_value(); }

 private:
  void event(const std::string& line);
  void metrics(const std::string& line);
  std::int64_t newest_of(std::int64_t life) const;
  void note_commit(std::int64_t step, const std::string& hash);

  LineFollower events_;
  LineFollower metrics_;
  int ends_ = 0;
  LifeEnd last_end_;
  int lives_ = 0;
  int ranks_ = 0;
  std::int64_t life_ = 0;  // its number, as the ranks count them
  std::int64_t resumed_from_ = 0;
  std::map<std::int64_t, std::int64_t> newest_;  // step of each life
  std::chrono::steady_clock::time_point stepped_at_;
  std::chrono::steady_clock::duration step_time_{0};
  std::map<std::int64_t, std::string> commits_;
  std::optional<std::int64_t> contradiction_;
  int failed_saves_ = 0;
  bool trains_ = false;
  bool committed_ = false;            // in the life that goes on
  std::optional<std::int64_t> done_;  // the last step
};

}  // namespace lockstep
