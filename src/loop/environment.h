// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "comm/options.h"
#include "lockstep/comm/world.h"
#include "loop/compute_device.h"
#include "loop/reporter.h"

namespace lockstep {

// What the bits of a run depend on beside its config and data: versions, instruction set, threads, device.
using Environment = std::map<std::string, std::string>;

// Local. This process's, as every checkpoint records it.
Environment describe_environment(const ComputeDevice& compute);

// Local. "cpu_capability AVX512 -> DEFAULT, threads 1 -> 2", with `between` the two values: what differs, of
// the keys that both have; empty when nothing does.
std::string difference(const Environment& before, const Environment& now, const char* between = " -> ");

// Collective. Ranks whose bits cannot be equal: with dist.reduce exact throws AgreedFault (78) naming two of
// them, their hosts and both values; with fast one warning and an event. Whether they are alike.
bool compare_ranks(World& world, const Environment& mine, const DistOptions& dist, Reporter& reporter);

// Local. One warning and an event when a run goes on behind `step` in another environment than the one that
// wrote the checkpoint.
void note_change(const Environment& before, const Environment& now, Step step, Reporter& reporter);

}  // namespace lockstep
