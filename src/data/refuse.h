// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "lockstep/base/error.h"

namespace lockstep {

// Local. Throws Fault (66): "PATH: found", then the remedy.
[[noreturn]] void refuse_data_file(const std::string& path, std::string_view found, std::string_view remedy);

// Local. Throws Fault (78) about the `data` section of the config.
[[noreturn]] void refuse_option(std::string_view fact, std::string_view remedy);

// Local. What `work` returns. What readers of hostile bytes refuse (65) is data that cannot be used (66),
// with `remedy` unless they name one.
template <class Work>
auto as_data(const std::string& path, const std::string& remedy, Work work) {
  try {
    return work();
  } catch (const Fault& fault) {
    if (fault.code() != ExitCode::kNoValidCheckpoint) throw;
    const std::string fact = fault.fact().starts_with(path) ? fault.fact() : path + ": " + fault.fact();
    throw Fault(ExitCode::kInputMissing, fact, fault.remedy().empty() ? remedy : fault.remedy());
  }
}

}  // namespace lockstep
