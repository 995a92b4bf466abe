// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "comm/domain/host_domain.h"

namespace lockstep {

// Collective. Flat zeros from the beginning of a page on, of which the ranks of `domain` have the first
// `common` in common, whole pages; the others are each rank's own. Undefined on all ranks where there is no
// room. A domain of one rank has nothing in common: it gets memory as any.
torch::Tensor zeros_in_common(HostDomain& domain, std::int64_t count, std::int64_t common,
                              const torch::TensorOptions& options);

}  // namespace lockstep
