// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "checkpoint/interchange/foreign_file.h"
#include "checkpoint/interchange/state_dict.h"
#include "checkpoint/weights.h"

namespace lockstep {

// The model in a .pth or .safetensors file as weights. Local. Throws Fault (65) as open_foreign_file() and
// find_parts(), and for a tensor of a dtype Lockstep does not have. Says in the log which key was taken and
// whether "module." was taken off.
std::unique_ptr<WeightsSource> open_foreign_weights(const std::string& path, const PartKeys& keys = {});

}  // namespace lockstep
