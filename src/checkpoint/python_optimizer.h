// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "checkpoint/interchange/value.h"
#include "checkpoint/manifest.h"

namespace lockstep {

// Makes the value for one tensor of a checkpoint.
using TensorValue = std::function<PyValue*(const ManifestTensor&)>;

// Local. The optimizer of a checkpoint as the state_dict of torch.optim's SGD, Adam or AdamW (2.11), from
// which optimizer.load_state_dict() goes on: parameters numbered in the order of named_parameters(), a `step`
// of its own for each, one group with every key that version has. Throws Fault (65) for a checkpoint that
// does not say in which order its parameters come, or whose optimizer is another.
PyValue* python_optimizer(const Manifest& manifest, ValuePool& pool, const TensorValue& tensor);

}  // namespace lockstep
