// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lockstep/comm/communicator.h"
#include "lockstep/comm/watch.h"

namespace lockstep {

// Where this process stands among the others.
struct Place {
  Rank rank{0};
  WorldSize size{1};
  int local_rank = 0;  // among the ranks of this host; picks the GPU
  int local_size = 1;
  std::string host;
  // Of each rank, where it stands when hosts follow one another in the order of their lowest ranks, and ranks
  // of a host in their own; empty: as they are numbered. Neighbours there compute neighbouring micro-batches,
  // however the launcher dealt the ranks out.
  std::vector<int> positions = {};
};

// All ranks of the job. A function that communicates takes a World&; one that does not take it cannot
// communicate.
class World {
 public:
  // `host` moves host memory, `device` the memory of gradients (null: the same as host).
  World(Place place, std::unique_ptr<Communicator> host, std::unique_ptr<Communicator> device = nullptr);

  // Local. The same world with `device` in place of what moved gradients before.
  World with_device(std::unique_ptr<Communicator> device) &&;

  Rank rank() const { return place_.rank; }
  WorldSize size() const { return place_.size; }
  const Place& place() const { return place_; }
  bool is_root() const { return place_.rank.value == 0; }

  // What this rank is doing, for whoever watches it: set the phases of a loop of your own here. Its calls of
  // collectives are noted without that.
  Watch& watch() { return *watch_; }
  // The same, for a thread that may outlive this world.
  std::shared_ptr<Watch> shared_watch() const { return watch_; }

  // For control messages, agreement and everything in host memory.
  Communicator& host() { return *host_; }
  // For gradients, parameters and buffers, where they live.
  Communicator& device() { return device_ ? *device_ : *host_; }

 private:
  Place place_;
  std::shared_ptr<Watch> watch_;  // noted in by the communicators, so it goes after them
  std::unique_ptr<Communicator> host_;
  std::unique_ptr<Communicator> device_;
};

}  // namespace lockstep
