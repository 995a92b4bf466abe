// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <set>

#include "memory/kept_memory.h"

namespace lockstep {

struct Nursery;

// Memory that other processes can map, and in which tensors of given lengths are made for as long as there is
// a Birthplace for them: so a gradient, which is as long as its parameter, lies where the other ranks of the
// host can read it without a copy. Other tensors that happen to be as long lie there too, which does no harm;
// where there is no room left, they come from elsewhere. Local; made and ended by the main thread.
class Birthplace {
 public:
  // For CPU tensors of one of `lengths` in bytes; `room` is how many bytes of them there are at once, about.
  // Null where tensors are not kept (keep_tensors()) or there are no addresses.
  static std::unique_ptr<Birthplace> make(std::set<std::size_t> lengths, std::size_t room);
  // What has been made there stays until it is freed.
  ~Birthplace();

  const KeptMemory& memory() const;

 private:
  explicit Birthplace(std::shared_ptr<Nursery> nursery);

  std::shared_ptr<Nursery> nursery_;
};

}  // namespace lockstep
