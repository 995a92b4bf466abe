// SPDX-License-Identifier: Apache-2.0
#include "config/resume_check.h"

#include <algorithm>

#include "config/schema.h"
#include "config/secrets.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

bool is_allowed(const std::string& key, const std::vector<std::string>& allowed) {
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](const std::string& name) { return key == name || key.starts_with(name + "."); });
}

std::string shown(const std::string& key, const std::string& value) {
  if (is_secret(key)) return kMasked;
  return printable(value.starts_with('{') ? mask_secrets(value) : value);
}

std::string value_in(const std::map<std::string, std::string>& flat, const std::string& key) {
  const auto found = flat.find(key);
  return found == flat.end() ? "" : found->second;
}

// What the saved run would have had; empty when its types had no use for the key.
std::string saved_value(const Row& row, const std::map<std::string, std::string>& saved,
                        const RunConfig& now) {
  // An older version may not have had the key: it then did what the default does now.
  const auto found = saved.find(row.key);
  if (found != saved.end()) return found->second;
  const bool same_type =
      row.governed_by.empty() || value_in(saved, row.governed_by) == value_in(now.flat, row.governed_by);
  return same_type && row.derived.empty() ? default_text(row) : "";
}

}  // namespace

ConfigChange masked(ConfigChange change) {
  change.before = shown(change.key, change.before);
  change.after = shown(change.key, change.after);
  return change;
}

std::string describe(const ConfigChange& change) {
  const ConfigChange safe = masked(change);
  return safe.key + ": " + safe.before + " -> " + safe.after;
}

std::vector<ConfigChange> changes_between(const std::map<std::string, std::string>& saved,
                                          const RunConfig& now) {
  std::vector<ConfigChange> changes;
  // Registered types change neither keys nor classes, so the plain table will do.
  const Schema schema;
  for (const Row& row : schema.rows()) {
    const auto after = now.flat.find(row.key);
    if (after == now.flat.end()) continue;
    const std::string before = saved_value(row, saved, now);
    if (!before.empty() && before != after->second)
      changes.push_back({row.key, before, after->second, row.on_resume});
  }
  return changes;
}

std::vector<ConfigChange> refuse_forbidden_changes(const std::vector<ConfigChange>& changes,
                                                   const RunConfig& now) {
  std::string forbidden, names;
  for (const ConfigChange& change : changes) {
    if (change.on_resume == OnResume::kFree || is_allowed(change.key, now.resume.allow_changes)) continue;
    forbidden += (forbidden.empty() ? "" : "; ") + describe(change);
    names += (names.empty() ? "" : ", ") + change.key;
  }
  if (!forbidden.empty() && !fault_requested("guard.skip_change"))
    throw Fault(
        ExitCode::kConfig, "the run to resume had another config: " + forbidden,
        "Undo that, start a new run in another run.dir, or allow it: resume.allow_changes=[" + names + "]");
  return changes;
}

}  // namespace lockstep
