// SPDX-License-Identifier: Apache-2.0
#include "supervise/standby.h"

#include <chrono>
#include <cstdint>
#include <utility>

#include "base/available_memory.h"

namespace lockstep {
namespace {

// What a waiting rank has for itself (73 MiB measured) with its part of mpirun; and how many times that there
// has to be, so that nobody else goes short.
constexpr std::uint64_t kAWaitingRankTakes = 80u << 20;
constexpr std::uint64_t kTimesThat = 10;

}  // namespace

bool Standby::has_room(int ranks) {
  return available_memory() >= kTimesThat * kAWaitingRankTakes * static_cast<std::uint64_t>(ranks);
}

Standby::Standby(const LaunchParts& parts, const std::string& address)
    : launch_(std::make_unique<MpirunLaunch>(parts, address, MpirunLaunch::Begin::kAtTheGate)) {}

Standby::~Standby() {
  if (!launch_) return;
  end_session(launch_->mpirun().id(), std::chrono::seconds(5));
  launch_->mpirun().ended();  // reaps it
}

bool Standby::lives() {
  return !launch_->mpirun().ended();
}

SessionRecord Standby::record() const {
  const std::string& address = launch_->address();
  return {launch_->mpirun().id(), address.substr(0, address.find('@')), launch_->scratch()};
}

std::unique_ptr<MpirunLaunch> Standby::release(const LaunchParts& now) {
  if (!lives() || plan_launch(now) != launch_->plan()) return nullptr;
  // mpirun notices the end of a rank a little later than we can.
  const auto processes = members_of(launch_->mpirun().id()).size();
  if (processes <= static_cast<std::size_t>(launch_->plan().ranks)) return nullptr;
  return launch_->open_gate() ? std::move(launch_) : nullptr;
}

}  // namespace lockstep
