// SPDX-License-Identifier: Apache-2.0
#include "parallel/spare_cores.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/cpu_quota.h"

namespace lockstep {
namespace {

// What a rank says of itself, sent as bytes.
struct Claim {
  std::array<char, 64> host{};
  std::int64_t threads = 0;
  double quota = 0;
  cpu_set_t allowed{};
};

Claim claim_of(const Place& place, int threads) {
  Claim claim;
  std::strncpy(claim.host.data(), place.host.c_str(), claim.host.size() - 1);
  claim.threads = threads;
  claim.quota = cpu_quota();
  // A machine with more CPUs than the set has room for.
  if (::sched_getaffinity(0, sizeof claim.allowed, &claim.allowed) != 0)
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) CPU_SET(cpu, &claim.allowed);
  return claim;
}

CoreShare share_of(const std::vector<Claim>& claims, const std::array<char, 64>& host) {
  CoreShare share{.host = host.data(), .spare = true};
  cpu_set_t all{};
  double quota = 0;  // of the most that any of them may use
  for (const Claim& claim : claims) {
    if (claim.host != host) continue;
    ++share.ranks;
    share.threads += static_cast<int>(claim.threads);
    CPU_OR(&all, &all, &claim.allowed);
    quota = std::max(quota, claim.quota);
    share.spare = share.spare && CPU_COUNT(&claim.allowed) > claim.threads;
  }
  share.cores = static_cast<int>(std::min<double>(CPU_COUNT(&all), quota));
  share.spare = share.spare && share.cores >= share.threads + share.ranks;
  return share;
}

}  // namespace

std::string CoreShare::text() const {
  return fmt::format("{} core{} of {} for {} rank{} with {} thread{}", cores, cores == 1 ? "" : "s", host,
                     ranks, ranks == 1 ? "" : "s", threads, threads == 1 ? "" : "s");
}

CoreShare share_of_cores(World& world, int threads) {
  Claim mine = claim_of(world.place(), threads);
  std::vector<Claim> claims(static_cast<std::size_t>(world.size().value));
  world.host().all_gather({&mine, sizeof mine, DType::kUInt8},
                          {claims.data(), claims.size() * sizeof mine, DType::kUInt8});
  for (const Claim& claim : claims)
    if (const CoreShare share = share_of(claims, claim.host); !share.spare) return share;
  return share_of(claims, claims.front().host);
}

}  // namespace lockstep
