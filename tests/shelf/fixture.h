// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/owned_state.h"
#include "shelf/store.h"
#include "support/scratch_folder.h"

namespace lockstep {

// What a store told the run.
struct EventLog {
  std::vector<std::pair<std::string, std::map<std::string, std::string>>> events;

  CheckpointEvent sink() {
    return [this](const std::string& event, const std::map<std::string, std::string>& fields) {
      events.emplace_back(event, fields);
    };
  }
  std::size_t count(const std::string& event) const {
    std::size_t n = 0;
    for (const auto& [name, fields] : events) n += name == event ? 1 : 0;
    return n;
  }
  const std::map<std::string, std::string>& last(const std::string& event) const {
    for (auto it = events.rbegin(); it != events.rend(); ++it)
      if (it->first == event) return it->second;
    static const std::map<std::string, std::string> none;
    return none;
  }
};

}  // namespace lockstep
