// SPDX-License-Identifier: Apache-2.0
#include "memory/memory_room.h"

#include <algorithm>

namespace lockstep {
namespace {

// For what is allocated elsewhere, and by others, between two looks.
constexpr std::uint64_t kMargin = 64u << 20;
constexpr std::uint64_t kLeastAllowance = 8u << 20;
// The ranks of a host grow at the same time, each by its own allowance.
constexpr std::uint64_t kShare = 64;

}  // namespace

std::size_t MemoryRoom::missing(std::size_t fresh) {
  since_ += fresh;
  if (since_ <= allowance_) return 0;
  const std::uint64_t room = look_();
  const std::uint64_t needed = fresh + kMargin;
  since_ = 0;
  allowance_ = std::max((room - std::min<std::uint64_t>(room, fresh)) / kShare, kLeastAllowance);
  return room < needed ? static_cast<std::size_t>(needed - room) : 0;
}

}  // namespace lockstep
