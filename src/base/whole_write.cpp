// SPDX-License-Identifier: Apache-2.0
#include "base/whole_write.h"

#include <cerrno>

namespace lockstep {

int write_whole(const WriteCall& call, std::uint64_t offset, std::span<const std::byte> bytes,
                std::size_t alignment) {
  while (!bytes.empty()) {
    const ssize_t n = call(bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    auto done = static_cast<std::size_t>(n);
    // A disk that fills up may stop in the middle of a block, where no direct write can go on.
    if (done < bytes.size()) done -= done % alignment;
    if (done == 0) return EIO;
    bytes = bytes.subspan(done);
    offset += done;
  }
  return 0;
}

}  // namespace lockstep
