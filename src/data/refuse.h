// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace lockstep {

// Local. Throws Fault (66): "PATH: found", then the remedy.
[[noreturn]] void refuse_data_file(const std::string& path, std::string_view found, std::string_view remedy);

// Local. Throws Fault (78) about the `data` section of the config.
[[noreturn]] void refuse_option(std::string_view fact, std::string_view remedy);

}  // namespace lockstep
