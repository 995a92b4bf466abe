// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace lockstep {

// Says before memory is touched whether it is still there; looks as seldom as is safe. Local; one thread at a
// time.
class MemoryRoom {
 public:
  using Look = std::function<std::uint64_t()>;  // as available_memory()

  explicit MemoryRoom(Look look) : look_(std::move(look)) {}

  // What has to be given back before `fresh` bytes more are touched, so that a little stays free.
  std::size_t missing(std::size_t fresh);

 private:
  Look look_;
  std::uint64_t since_ = 0;      // touched since the last look
  std::uint64_t allowance_ = 0;  // how much may be until the next
};

}  // namespace lockstep
