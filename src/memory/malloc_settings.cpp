// SPDX-License-Identifier: Apache-2.0
#include "memory/malloc_settings.h"

#include <malloc.h>

#include <algorithm>
#include <cstdint>

#include "base/available_memory.h"

namespace lockstep {
namespace {

constexpr int kMiB = 1 << 20;
// Of older glibc, which refuses more.
constexpr int kSafeThreshold = 32 * kMiB;
// Asked of the system ahead, so that a growing heap asks seldom.
constexpr int kPad = 16 * kMiB;

// As large as scratch gets, but no more of a small machine than a sixteenth.
int threshold() {
  const std::uint64_t share = machine_memory() / 16;
  return static_cast<int>(std::clamp<std::uint64_t>(share, kSafeThreshold, 1024u * kMiB));
}

}  // namespace

void keep_freed_memory() {
  const int most = threshold();
  if (::mallopt(M_MMAP_THRESHOLD, most) == 0) ::mallopt(M_MMAP_THRESHOLD, kSafeThreshold);
  ::mallopt(M_TRIM_THRESHOLD, most);
  ::mallopt(M_TOP_PAD, kPad);
}

}  // namespace lockstep
