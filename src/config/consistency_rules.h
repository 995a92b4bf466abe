// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "config/derive.h"

namespace lockstep {

// Throws Fault (78) at the place where `key` was given, or at the file when it was not.
[[noreturn]] void refuse_at(const Given& given, const std::string& key, const std::string& what,
                            const std::string& remedy);

// The rules about model and data; each throws Fault (78).
void check_model(const Given& given, const RunConfig& config);
void check_data_files(const Given& given, const RunConfig& config);
void check_data_fits_model(const Given& given, const RunConfig& config);

}  // namespace lockstep
