// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "lockstep/base/error.h"

namespace lockstep {

// A Fault for a failed system call on `path`: what was tried, the text of `error` (an errno) and what to do
// about it.
Fault storage_fault(std::string_view what, const std::string& path, int error);

// The same for reading: a missing file is 66, anything else 74.
Fault reading_fault(std::string_view what, const std::string& path, int error);

}  // namespace lockstep
