// SPDX-License-Identifier: Apache-2.0
#include "lockstep/tensors/each_once.h"

#include <set>

namespace lockstep {

std::vector<torch::Tensor> each_once(std::vector<torch::Tensor> tensors) {
  std::set<const void*> seen;
  std::erase_if(tensors, [&](const torch::Tensor& tensor) {
    return !seen.insert(tensor.unsafeGetTensorImpl()).second;
  });
  return tensors;
}

}  // namespace lockstep
