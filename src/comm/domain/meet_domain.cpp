// SPDX-License-Identifier: Apache-2.0
#include "comm/domain/meet_domain.h"

#include <optional>
#include <string>

#include "base/numa_node.h"
#include "comm/agree.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

std::string numa_part(World& world) {
  const std::optional<int> node = numa_node();
  if (agree_min(world, static_cast<int>(node.has_value())).value != 0) return std::to_string(*node);
  if (world.is_root())
    log_warning(
        "dist.domain: numa tells nothing apart, for a rank may run on several NUMA nodes. Bind ranks "
        "(mpirun --map-by numa --bind-to numa, srun --cpu-bind=ldoms)");
  return "";
}

}  // namespace

std::unique_ptr<HostDomain> meet_domain(World& world, const DistOptions& dist, bool singly) {
  if (!dist.shared_memory || dist.fast()) return nullptr;
  return HostDomain::meet(world, {dist.domain == "numa" ? numa_part(world) : "", singly});
}

}  // namespace lockstep
