// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include "config/schema.h"

namespace lockstep {

// `lockstep slurm init`: prints a batch script made from a config. Local.
void add_slurm_command(CLI::App& app, const ExtraTypes& types);

}  // namespace lockstep
