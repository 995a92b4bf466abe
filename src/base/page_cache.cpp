// SPDX-License-Identifier: Apache-2.0
#include "base/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/descriptor.h"

namespace lockstep {

bool is_mostly_cached(const std::string& path) {
  // Every page would take a quarter of the time that reading them from memory does.
  constexpr std::size_t kSamples = 64;
  constexpr std::size_t kPage = 4096;
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status {};
  if (fd.get() < 0 || ::fstat(fd.get(), &status) != 0 || status.st_size <= 0) return true;
  const auto bytes = static_cast<std::size_t>(status.st_size);
  void* const mapped = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (mapped == MAP_FAILED) return true;
  std::size_t cached = 0;
  for (std::size_t i = 0; i < kSamples; ++i) {
    const std::size_t page = bytes / kPage * i / kSamples;
    unsigned char resident = 1;
    ::mincore(static_cast<char*>(mapped) + page * kPage, kPage, &resident);
    cached += resident & 1u;
  }
  ::munmap(mapped, bytes);
  return cached > kSamples / 2;
}

}  // namespace lockstep
