// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <functional>
#include <vector>

namespace lockstep {

using ModelPart = std::function<torch::Tensor(const torch::Tensor&)>;

// What torch.utils.checkpoint is in Python: part(input) that keeps no activation but its input; backward
// computes it once more, with the generators and the autocast of the first time. Output and gradients are
// those of part(input), bit for bit. `parameters`: all that it uses. It must be a function of these, of its
// input and of the default generator, and change no buffer: it is called twice. Where nothing wants a
// gradient it is part(input). Local.
//
//   for (const auto& block : blocks)
//     x = recomputed([block](const torch::Tensor& in) { return block->forward(in); }, x,
//                    block->parameters());
torch::Tensor recomputed(ModelPart part, const torch::Tensor& input,
                         const std::vector<torch::Tensor>& parameters);

}  // namespace lockstep
