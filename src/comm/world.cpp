// SPDX-License-Identifier: Apache-2.0
#include "lockstep/comm/world.h"

#include <utility>

#include "comm/recording_communicator.h"
#include "lockstep/base/error.h"

namespace lockstep {

World::World(Place place, std::unique_ptr<Communicator> host, std::unique_ptr<Communicator> device)
    : place_(std::move(place)), watch_(std::make_shared<Watch>()) {
  check(host != nullptr, "a world has a communicator for host memory");
  check(host->rank() == place_.rank && host->size() == place_.size, "place and communicator agree");
  check(!device || (device->rank() == place_.rank && device->size() == place_.size),
        "place and device communicator agree");
  host_ = record_calls(std::move(host), *watch_);
  device_ = record_calls(std::move(device), *watch_);
}

World World::with_device(std::unique_ptr<Communicator> device) && {
  check(device != nullptr && device->rank() == place_.rank && device->size() == place_.size,
        "place and device communicator agree");
  World world(std::move(*this));
  world.device_ = record_calls(std::move(device), *world.watch_);
  return world;
}

}  // namespace lockstep
