// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "lockstep/cli/application.h"
#include "lockstep/train/predictor.h"

namespace lockstep {

// Local. The model that the config `file`, with `overrides` ("key=value") laid over it, describes, filled
// from `weights`, on the device and in the precision it says (train.device, train.dtype, train.threads).
// Throws Fault: 66 a file is missing, 65 the weights are damaged, 78 config and weights do not fit, 69 no
// such device.
Predictor open_predictor(const std::string& file, const std::string& weights,
                         const Registries& registries = {}, const std::vector<std::string>& overrides = {});

}  // namespace lockstep
