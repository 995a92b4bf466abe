// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>

#include "comm/domain/host_domain.h"

namespace lockstep {

struct CommonExtent {
  std::int64_t count = 0;
  std::int64_t common = 0;  // the first so many, whole pages; the others are each rank's own
  Pages pages = Pages::kReserved;
};

// Collective. Flat zeros from the beginning of a page on, which the ranks of `domain` have in common.
// Undefined on all ranks where there is no room. A rank that is alone has nothing in common: it gets memory
// as any.
torch::Tensor zeros_in_common(HostDomain& domain, const CommonExtent& extent,
                              const torch::TensorOptions& options);
// All of them in common.
inline torch::Tensor zeros_in_common(HostDomain& domain, std::int64_t count,
                                     const torch::TensorOptions& options) {
  return zeros_in_common(domain, {count, count}, options);
}

// Local. The least number that is not below `count` and fills whole pages.
std::int64_t in_whole_pages(std::int64_t count, const torch::TensorOptions& options);

// The same as zeros_in_common(), for what a step cannot do without. Throws AgreedFault (69).
torch::Tensor required_in_common(HostDomain& domain, std::int64_t count, const torch::TensorOptions& options);

// Local. The memory of `part`, of a tensor in common, but for pages that something beside it lies in, too: it
// is zeros for all ranks then, and costs nothing until somebody touches it.
void give_back_pages(const torch::Tensor& part);

}  // namespace lockstep
