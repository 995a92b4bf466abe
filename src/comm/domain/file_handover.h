// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/descriptor.h"

namespace lockstep {

// How the ranks of a domain get an open file of one of them: by way of its first rank. Each message carries
// which turn it is of and how long its file is, and nothing else is taken for it: one that comes late, or
// instead of one that was lost, must not become another's memory. Collective over the domain.
class FileHandover {
 public:
  FileHandover() = default;
  // `sockets` of the domain's first rank: to the second, the third, …; else to the first alone.
  FileHandover(int rank, int ranks, std::vector<Descriptor> sockets)
      : rank_(rank), ranks_(ranks), sockets_(std::move(sockets)) {}

  // The file of rank `from`; what the others give is not looked at. Throws Fault (69) where it did not arrive
  // or could not be sent; from then on this rank's sockets are closed, at which the others fail too, and so
  // does every turn to come.
  Descriptor pass(int file, int from);

  void close() { sockets_.clear(); }

 private:
  const Descriptor& socket_to(int other) const;
  bool send(const Descriptor& file, int from) const;

  int rank_ = 0;
  int ranks_ = 1;
  std::vector<Descriptor> sockets_;
  std::uint64_t turn_ = 0;
};

}  // namespace lockstep
