// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lockstep {

// The `memory` section.
struct MemoryOptions {
  bool keep = true;  // on a CPU, what a step frees stays mapped for the next
};

}  // namespace lockstep
