// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "exchange/formats/foreign_file.h"
#include "exchange/formats/optimizer_state.h"
#include "optim/parameter_groups.h"

namespace lockstep {

// A parameter of the config's model: its name in the file.
struct FileParameter {
  std::string name;
  std::size_t dimensions = 0;
  int group = kNoGroup;  // of optim.groups
};

// Local. Which parameter of the model each number of the optimizer means: indices into `parameters`, which
// are in the order of named_parameters(). The optimizer was given them in the order in which the file has the
// tensors (`file_order`), unless that is only the alphabet's. Several groups are those of the config, the
// rest first, where they are as large; nanoGPT's two are those of two and more dimensions, and the others.
// Empty where it cannot be known.
std::vector<std::size_t> order_of_optimizer(const std::vector<FileParameter>& parameters,
                                            const std::vector<std::string>& file_order,
                                            const OptimizerState& optimizer, const PyValue& root);

}  // namespace lockstep
