// SPDX-License-Identifier: Apache-2.0
#include "data/refuse.h"

namespace lockstep {

void refuse_data_file(const std::string& path, std::string_view found, std::string_view remedy) {
  throw Fault(ExitCode::kInputMissing, path + ": " + std::string(found), std::string(remedy));
}

void refuse_option(std::string_view fact, std::string_view remedy) {
  throw Fault(ExitCode::kConfig, std::string(fact), std::string(remedy));
}

}  // namespace lockstep
