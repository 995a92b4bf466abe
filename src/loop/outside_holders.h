// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <set>
#include <string>
#include <vector>

namespace lockstep {

// Local. Names of a module's parameters and buffers over whose memory there is another tensor than its own: a
// detach(), a view, or what they are views of. Given new memory, they and that tensor are two from then on.
// Of `passed_over` (TensorImpl) nothing is said.
std::vector<std::string> held_elsewhere(const torch::nn::Module& module,
                                        const std::set<const void*>& passed_over);

}  // namespace lockstep
