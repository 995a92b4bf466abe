// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/config_arguments.h"
#include "config/run_config.h"
#include "lockstep/cli/application.h"
#include "lockstep/comm/world.h"
#include "train/device.h"

namespace lockstep {

// What a command that needs all ranks starts with: the world, and a config that every rank has read.
struct Job {
  World world;
  RunConfig config;
  ComputeDevice compute;
};

// Collective. Reads the config, joins the world and prepares the device. Throws AgreedFault: 66 and 78 for
// the config, 69 for MPI, the device or NCCL.
Job join_job(const GivenConfig& given, const Registries& registries);

}  // namespace lockstep
