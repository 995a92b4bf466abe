// SPDX-License-Identifier: Apache-2.0
#include "config/consistency_rules.h"

#include "lockstep/base/error.h"

namespace lockstep {

void refuse_at(const Given& given, const std::string& key, const std::string& what,
               const std::string& remedy) {
  const auto setting = given.settings.find(key);
  if (setting == given.settings.end())
    throw Fault(ExitCode::kConfig, place(given.file, {}) + ": " + key + ": " + what, remedy);
  Setting at_key = setting->second;
  // The key is what is wrong here, not its value: each alone would do.
  if (at_key.key_at.line != 0) at_key.node.at = at_key.key_at;
  refuse(at_key, key, what, remedy);
}

}  // namespace lockstep
