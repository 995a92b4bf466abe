// SPDX-License-Identifier: Apache-2.0
#include "config/node.h"

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {

std::string place(const Origin& origin, Position at) {
  if (!origin.is_file || at.line == 0) return printable(origin.name);
  return printable(origin.name) + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

void refuse(const Setting& setting, const std::string& key, const std::string& what,
            const std::string& remedy) {
  throw Fault(ExitCode::kConfig,
              place(*setting.origin, setting.node.at) + ": " + printable(key) + ": " + what, remedy);
}

}  // namespace lockstep
