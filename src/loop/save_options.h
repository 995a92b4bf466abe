// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lockstep/loop/checkpoints.h"
#include "shelf/options.h"

namespace lockstep {

// Local. Throws Fault (78) for what makes no sense.
void require_sane(const SaveOptions& options);

// What of them a store and its savers go by.
CheckpointOptions checkpoint_options(const SaveOptions& options);

// One a line, each with its value: what must be the same on every rank.
std::string lines_of(const SaveOptions& options);

// What a run that is no config's has as its config.yaml, for people and for `lockstep status`.
std::string config_text(const SaveOptions& options, const std::string& directory);

}  // namespace lockstep
