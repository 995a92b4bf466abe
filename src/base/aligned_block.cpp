// SPDX-License-Identifier: Apache-2.0
#include "base/aligned_block.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>

#include "base/huge_pages.h"

namespace lockstep {
namespace {

// On a huge page's boundary.
std::byte* mapped(std::size_t bytes) {
  const std::size_t room = bytes + kHugePage;
  void* const got = ::mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (got == MAP_FAILED) throw std::bad_alloc();
  auto* const base = static_cast<std::byte*>(got);
  const std::size_t before = kHugePage - reinterpret_cast<std::uintptr_t>(base) % kHugePage;
  ::munmap(base, before);
  if (before < kHugePage) ::munmap(base + before + bytes, kHugePage - before);
  prefer_huge_pages(base + before, bytes);
  return base + before;
}

std::byte* allocated(std::size_t bytes) {
  auto* const memory = static_cast<std::byte*>(std::aligned_alloc(kDirectAlignment, bytes));
  if (memory == nullptr && bytes > 0) throw std::bad_alloc();
  return memory;
}

bool is_mapped(std::size_t bytes) {
  return bytes >= kHugePage;
}

}  // namespace

AlignedBlock::AlignedBlock(std::size_t bytes) : memory_(nullptr, Release{round_up_to_direct(bytes)}) {
  const std::size_t size = memory_.get_deleter().size;
  memory_.reset(is_mapped(size) ? mapped(size) : allocated(size));
}

void AlignedBlock::Release::operator()(std::byte* memory) const {
  is_mapped(size) ? static_cast<void>(::munmap(memory, size)) : std::free(memory);
}

}  // namespace lockstep
