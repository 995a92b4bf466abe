// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lockstep::testing {

// For its lifetime these environment variables are unset, whatever the shell, the site or CI has set; then
// they have their old values again.
class WithoutVariables {
 public:
  explicit WithoutVariables(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const char* old = std::getenv(name.c_str());
      before_[name] = old == nullptr ? std::nullopt : std::optional<std::string>(old);
      ::unsetenv(name.c_str());
    }
  }
  ~WithoutVariables() {
    for (const auto& [name, value] : before_)
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
  }
  WithoutVariables(const WithoutVariables&) = delete;
  WithoutVariables& operator=(const WithoutVariables&) = delete;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

}  // namespace lockstep::testing
