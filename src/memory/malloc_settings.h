// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lockstep {

// Local. From here on malloc keeps what this process frees, within limits: large blocks come from its heap,
// in place of mappings of their own that end with them. For what allocates beside the tensors: oneDNN's and
// MKL's scratch memory. Of glibc; another malloc in its place (jemalloc, tcmalloc) has settings of its own
// and ignores these.
void keep_freed_memory();

}  // namespace lockstep
