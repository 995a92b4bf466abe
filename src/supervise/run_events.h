// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace lockstep {

using EventValue = std::variant<std::int64_t, double, std::string, bool, std::vector<std::string>>;
using EventFields = std::vector<std::pair<std::string, EventValue>>;

// The supervisor's lines in events.jsonl, in the shape of rank 0's. Until the run directory is known and is
// there they are kept. A line is one write: the ranks write there too. Never throws: an event that cannot be
// written ends no job. Local.
class RunEvents {
 public:
  void set_directory(const std::string& run_directory);
  const std::string& directory() const { return directory_; }
  // Of the attempt with this number, 0 where none of it is known.
  void add(int attempt, const std::string& name, const EventFields& fields);

 private:
  void write();

  std::string directory_;
  std::vector<std::string> waiting_;
};

}  // namespace lockstep
