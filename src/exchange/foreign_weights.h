// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "exchange/formats/foreign_file.h"
#include "exchange/formats/state_dict.h"
#include "exchange/weights.h"

namespace lockstep {

// The model in a .pth or .safetensors file as weights. Local. Throws Fault (65) as open_foreign_file() and
// find_state_dicts(). A tensor that cannot be read is listed with its obstacle. Says in the log which key was
// taken.
std::unique_ptr<WeightsSource> open_foreign_weights(const std::string& path, const StateDictKeys& keys = {});

// The same of a file that is open, and outlives the result: `model` is a value in it. `path` is for messages.
std::unique_ptr<WeightsSource> weights_in(const ForeignFile& file, const PyValue& model,
                                          const std::string& path);

}  // namespace lockstep
