// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep::hdf5 {

// Local. What the library gives as the cause of this thread's last failing call; empty when it gives none.
std::string last_reason();

}  // namespace lockstep::hdf5
