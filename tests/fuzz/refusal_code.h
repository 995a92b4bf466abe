// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "fuzz/entries.h"
#include "lockstep/base/error.h"

namespace lockstep {

// What `read` returns, or nothing when it throws a Fault of that code. Throws Bug for a Fault of another.
template <class Read>
std::optional<Contents> unless_refused(ExitCode refusal, Read read) {
  try {
    return read();
  } catch (const Fault& fault) {
    check(fault.code() == refusal, std::string("refused with another exit code: ") + fault.what());
    return std::nullopt;
  }
}

}  // namespace lockstep
