// SPDX-License-Identifier: Apache-2.0
#include "memory/sparse_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

std::size_t page_bytes() {
  return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

SparseMemory::SparseMemory(std::size_t bytes, const char* use, const char* remedy) : size_(bytes) {
  if (bytes == 0) return;
  void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                      /*offset=*/0);
  if (base == MAP_FAILED)
    throw Fault(
        ExitCode::kCannotStart,
        "no address space for " + std::to_string(bytes) + " bytes " + use + ": " + std::strerror(errno),
        std::string("Raise the limit (ulimit -v), or ") + remedy);
  base_ = static_cast<std::byte*>(base);
}

SparseMemory::~SparseMemory() {
  if (base_ != nullptr) ::munmap(base_, size_);
}

void SparseMemory::touch(std::span<std::byte> part) const {
  const std::size_t page = page_bytes();
  for (std::size_t at = 0; at < part.size(); at += page) part[at] = std::byte{0};
  if (!part.empty()) part.back() = std::byte{0};
}

void SparseMemory::give_back(std::span<std::byte> part) {
  const std::size_t page = page_bytes();
  const auto begin = (reinterpret_cast<std::uintptr_t>(part.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(part.data() + part.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace lockstep
