// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

namespace lockstep {

// Local. memcpy into memory that nobody reads soon: past the caches, where the processor has stores for that.
// The C library's memcpy does so for copies larger than a cache only; ours come a cacheful at a time. Memory
// that overlaps is a Bug of the caller's that goes unseen.
void stream_copy(std::span<const std::byte> from, std::byte* to);

}  // namespace lockstep
