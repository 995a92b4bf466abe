// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/state.h"
#include "loop/optimizer_slots.h"

namespace lockstep {

// The section of a checkpoint that numbers, texts and tensors of a loop's own lie in.
inline constexpr const char* kLoopSection = "loop";
// In place of a parameter's name: a step that is that of all.
inline constexpr const char* kAllParameters = "all_parameters";

// What a checkpoint holds, by path. Local.
using StoredState = std::map<std::string, torch::Tensor>;

TensorKey loop_key(const std::string& name);

// A text as bytes, and back.
torch::Tensor text_tensor(const std::string& text);
std::string text_in(const torch::Tensor& bytes);

// Throws Fault (78) where it is not there: `what` it is.
const torch::Tensor& found(const StoredState& stored, const TensorKey& key, const std::string& what);

// A checkpoint's one step becomes that of every parameter with other state.
void split_steps(StoredState& stored);

// What there is of one parameter.
std::optional<double> stored_step(const StoredState& stored, const std::string& name);
OptimizerSlots stored_slots(const StoredState& stored, const std::string& name);

// Optimizer state and what is the loop's own under none of these paths: nobody has taken it. Steps aside,
// which go with the rest of a parameter.
std::vector<std::string> not_taken(const StoredState& stored, const std::set<std::string>& paths);

}  // namespace lockstep
