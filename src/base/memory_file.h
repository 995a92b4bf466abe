// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "base/descriptor.h"

namespace lockstep {

// Local. A file of so many bytes, zeros, that lies in memory alone and keeps its length: a page that is cut
// off is a SIGBUS in every process that has mapped it. `name` is what /proc shows. Holds -1 on failure, with
// errno.
Descriptor make_memory_file(const char* name, std::size_t bytes);

// Local. Whole pages of a mapping: not mapped in children that fork, and in no core dump. False when the
// kernel refuses.
bool leave_out_of_forks_and_dumps(void* memory, std::size_t bytes);

}  // namespace lockstep
