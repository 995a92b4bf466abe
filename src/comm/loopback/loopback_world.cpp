// SPDX-License-Identifier: Apache-2.0
#include "comm/loopback/loopback_world.h"

#include <unistd.h>

#include <array>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "comm/loopback/loopback_communicator.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

World member(std::shared_ptr<LoopbackHub> hub, Rank rank, WorldSize size) {
  Place place{rank, size, rank.value, size.value, host_name()};
  return World(std::move(place), std::make_unique<LoopbackCommunicator>(std::move(hub), rank, size));
}

}  // namespace

World world_of_one() {
  return member(std::make_shared<LoopbackHub>(WorldSize{1}), Rank{0}, WorldSize{1});
}

void run_loopback(WorldSize size, const std::function<void(World&)>& body) {
  check(size.value >= 1, "a world has at least one rank");
  const auto hub = std::make_shared<LoopbackHub>(size);
  const auto live = [&](Rank rank) {
    try {
      World world = member(hub, rank, size);
      body(world);
      // Also a good end can leave another rank waiting: in a collective this one does not make.
      hub->leave(rank);
    } catch (...) {
      hub->fail(rank, std::current_exception());
    }
  };
  {
    std::vector<std::jthread> ranks;
    for (int r = 0; r < size.value; ++r) ranks.emplace_back(live, Rank{r});
  }
  if (const std::exception_ptr failure = hub->first_failure()) std::rethrow_exception(failure);
}

}  // namespace lockstep
