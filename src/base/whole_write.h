// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace lockstep {

// pwrite() of one file: how many bytes went out, or -1 and errno.
using WriteCall = std::function<ssize_t(const void* bytes, std::size_t count, off_t offset)>;

// Local. Calls until all of `bytes` are written: EINTR is tried again, and a short count continued, from the
// last multiple of `alignment` (1: from any byte). Returns 0, or the errno of what cannot be continued (EIO
// when nothing is written any more).
int write_whole(const WriteCall& call, std::uint64_t offset, std::span<const std::byte> bytes,
                std::size_t alignment);

}  // namespace lockstep
