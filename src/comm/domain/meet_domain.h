// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "comm/domain/host_domain.h"
#include "comm/options.h"

namespace lockstep {

// Collective. HostDomain::meet() as dist.shared_memory and dist.domain want it; null with reduce: fast, which
// sums nothing itself. `singly`: also where each rank is alone on its host. Says once where ranks that shall
// be told apart by NUMA nodes are not bound to any.
std::unique_ptr<HostDomain> meet_domain(World& world, const DistOptions& dist, bool singly);

}  // namespace lockstep
