// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lockstep/base/error.h"

namespace lockstep {

// Parts that a program brings, by the name under which a config chooses them.
template <class Part>
class NamedParts {
 public:
  // Throws Bug when the name is taken.
  void add(const std::string& name, Part part) {
    check(find(name) == nullptr, "'" + name + "' is registered already");
    parts_.emplace_back(name, std::move(part));
  }
  // Null when there is none.
  const Part* find(const std::string& name) const {
    for (const auto& [own, part] : parts_)
      if (own == name) return &part;
    return nullptr;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, part] : parts_) all.push_back(name);
    return all;
  }

 private:
  std::vector<std::pair<std::string, Part>> parts_;
};

}  // namespace lockstep
