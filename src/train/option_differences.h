// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "exchange/formats/optimizer_state.h"
#include "optim/options.h"

namespace lockstep {

// Local. What the groups of a torch.optim state_dict say of lr, betas, eps, weight_decay, momentum and
// nesterov that the config (for each group its own options) does not: "learning rate: 0.1 in the file, 0.001
// in the config, which counts", with the group where there are several. Throws Fault (78) for amsgrad and
// maximize, which Lockstep does not have, and for dampening other than 0.
std::vector<std::string> option_differences(const OptimizerState& optimizer,
                                            const std::vector<OptimOptions>& config, const ForeignFile& file);

// Local. Optimizers of torch.optim that keep the same state are told by the options of their groups. Throws
// Fault (78) where they are not those of the config's `type`: RAdam's for adam, Muon's for sgd.
void require_kind(const OptimizerState& optimizer, const std::string& type);

}  // namespace lockstep
