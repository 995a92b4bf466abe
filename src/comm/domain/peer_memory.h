// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "base/descriptor.h"

namespace lockstep {

// A file in memory that another process fills, mapped as a whole, to be read until somebody may write. Only
// what that process has touched costs memory. Local.
class PeerMemory {
 public:
  // Throws Fault (69).
  explicit PeerMemory(const Descriptor& file);
  ~PeerMemory();
  PeerMemory(const PeerMemory&) = delete;
  PeerMemory& operator=(const PeerMemory&) = delete;

  // From here on data() may be written to. Throws Fault (69).
  void allow_writes();

  const std::byte* data() const { return data_; }
  std::size_t size() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
  std::byte* data_ = nullptr;
  bool is_writable_ = false;
};

}  // namespace lockstep
