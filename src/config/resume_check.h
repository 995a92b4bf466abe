// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/row.h"

namespace lockstep {

// A key whose effective value is not what the checkpoint's run had.
struct ConfigChange {
  std::string key;
  std::string before;
  std::string after;
  OnResume on_resume = OnResume::kFree;
};

// The change with control bytes escaped and values of secrets masked: for people and reports.
ConfigChange masked(ConfigChange change);

// "optim.lr: 0.001 -> 0.0003", masked, for a log line or event.
std::string describe(const ConfigChange& change);

// Local. What differs between a checkpoint's config (RunConfig::flat of its run) and this one, in the order
// of the table. A key the saved one lacks counts as its default; keys of a type that itself changed are left
// out, for the type says it. Data content is not looked at: it has a fingerprint of its own.
std::vector<ConfigChange> changes_between(const std::map<std::string, std::string>& saved,
                                          const RunConfig& now);

// Local. Throws Fault (78) that lists every change that is not free, with both values, unless
// resume.allow_changes names the key or a section above it. Returns what is allowed, to be logged.
std::vector<ConfigChange> refuse_forbidden_changes(const std::vector<ConfigChange>& changes,
                                                   const RunConfig& now);

}  // namespace lockstep
