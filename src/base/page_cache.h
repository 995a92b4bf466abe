// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep {

// Local. Whether a read of the whole file would come from memory for the most part, as far as the kernel
// says: by samples, and only of the moment. True as well for what cannot be opened or asked about.
bool is_mostly_cached(const std::string& path);

}  // namespace lockstep
