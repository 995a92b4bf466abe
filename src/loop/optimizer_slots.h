// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <map>
#include <optional>
#include <string>

namespace lockstep {

// What torch.optim keeps of one parameter, under PyTorch's names. Tensors share memory with the optimizer.
struct OptimizerSlots {
  std::map<std::string, torch::Tensor> tensors;  // exp_avg, momentum_buffer, …
  std::optional<double> step;
};

// Local. Of a parameter that was never updated: nothing. Throws Fault (78) for an optimizer whose state has
// no such names (LBFGS, one of a user's own).
OptimizerSlots slots_of(torch::optim::Optimizer& optimizer, const torch::Tensor& parameter);

// Local. Puts such a state in place of what is there; empty: as if it was never updated. Throws Fault (78) as
// above, and for a slot that this optimizer has not.
void set_slots(torch::optim::Optimizer& optimizer, const torch::Tensor& parameter,
               const OptimizerSlots& slots);

// Local. "adamw", "adam", "sgd", …; throws as above.
std::string type_of(const torch::optim::Optimizer& optimizer);

// Local. How often a schedule was stepped.
unsigned step_count(const torch::optim::LRScheduler& scheduler);
void set_step_count(torch::optim::LRScheduler& scheduler, unsigned count);

}  // namespace lockstep
