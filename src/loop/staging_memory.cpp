// SPDX-License-Identifier: Apache-2.0
#include "loop/staging_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/huge_pages.h"
#include "lockstep/base/error.h"

namespace lockstep {

StagingMemory::StagingMemory(std::size_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                      /*offset=*/0);
  if (base == MAP_FAILED)
    throw Fault(ExitCode::kCannotStart,
                "no address space for " + std::to_string(bytes) +
                    " bytes to stage a checkpoint in: " + std::strerror(errno),
                "Raise the limit (ulimit -v), or set checkpoint.async=false");
  base_ = static_cast<std::byte*>(base);
  prefer_huge_pages(base_, size_);
}

StagingMemory::~StagingMemory() {
  if (base_ != nullptr) ::munmap(base_, size_);
}

void StagingMemory::touch(std::span<std::byte> part) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (std::size_t at = 0; at < part.size(); at += page) part[at] = std::byte{0};
  if (!part.empty()) part.back() = std::byte{0};
}

}  // namespace lockstep
