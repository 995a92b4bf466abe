// SPDX-License-Identifier: Apache-2.0
#include "lockstep/comm/world.h"

#include <utility>

#include "lockstep/base/error.h"

namespace lockstep {

World::World(Place place, std::unique_ptr<Communicator> host, std::unique_ptr<Communicator> device)
    : place_(std::move(place)), host_(std::move(host)), device_(std::move(device)) {
  check(host_ != nullptr, "a world has a communicator for host memory");
  check(host_->rank() == place_.rank && host_->size() == place_.size, "place and communicator agree");
  check(!device_ || (device_->rank() == place_.rank && device_->size() == place_.size),
        "place and device communicator agree");
}

World World::with_device(std::unique_ptr<Communicator> device) && {
  return World(std::move(place_), std::move(host_), std::move(device));
}

}  // namespace lockstep
