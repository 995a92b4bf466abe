// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <set>
#include <string>

#include "checkpoint/manifest.h"
#include "exchange/formats/value.h"

namespace lockstep {

// Makes the value for one tensor of a checkpoint.
using TensorValue = std::function<PyValue*(const ManifestTensor&)>;

// Local. The optimizer of a checkpoint as the state_dict of torch.optim's SGD, Adam or AdamW (2.11), from
// which optimizer.load_state_dict() goes on: parameters numbered in the order of named_parameters(), a `step`
// of its own for each, a group for each that the record keeps, else one, with every key that version has.
// What is frozen, and what was `never_updated`, is in its group and has no state. Throws Fault (65) for a
// checkpoint that does not say in which order its parameters come, or whose optimizer is another.
PyValue* python_optimizer(const Manifest& manifest, ValuePool& pool, const TensorValue& tensor,
                          const std::set<std::string>& never_updated);

}  // namespace lockstep
