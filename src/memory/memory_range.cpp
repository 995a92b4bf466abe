// SPDX-License-Identifier: Apache-2.0
#include "memory/memory_range.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <fstream>

#include "base/memory_file.h"

namespace lockstep {
namespace {

// Half of what this process may have: others need addresses too.
std::size_t within_limits(std::size_t wanted, Backing backing) {
  for (const auto kind : {RLIMIT_AS, RLIMIT_DATA, RLIMIT_FSIZE}) {
    if (kind == RLIMIT_FSIZE && backing == Backing::kPrivate) continue;
    rlimit limit{};
    if (::getrlimit(kind, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
      wanted = std::min<std::size_t>(wanted, limit.rlim_cur / 2);
  }
  return wanted / kChunk * kChunk;
}

// The kernel then takes every private byte that is reserved for one that is used.
bool reserved_is_used() {
  std::ifstream file("/proc/sys/vm/overcommit_memory");
  int mode = 0;
  return file >> mode && mode == 2;
}

}  // namespace

std::unique_ptr<MemoryRange> MemoryRange::reserve(std::size_t wanted, Backing backing) {
  if (backing == Backing::kPrivate && reserved_is_used()) return nullptr;
  for (std::size_t size = within_limits(wanted, backing); size >= kLeast; size = size / 2 / kChunk * kChunk) {
    std::unique_ptr<MemoryRange> range(new MemoryRange(size, backing));
    if (backing == Backing::kShared ? range->map_file() : range->map(PROT_READ | PROT_WRITE)) return range;
  }
  return nullptr;
}

MemoryRange::MemoryRange(std::size_t size, Backing backing) : size_(size), backing_(backing), file_(-1) {}

MemoryRange::~MemoryRange() {
  if (mapping_ != nullptr) ::munmap(mapping_, size_ + kChunk);
}

bool MemoryRange::map(int protection) {
  void* mapping = ::mmap(nullptr, size_ + kChunk, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                         /*offset=*/0);
  if (mapping == MAP_FAILED) return false;
  mapping_ = mapping;
  const auto first = (reinterpret_cast<std::uintptr_t>(mapping) + kChunk - 1) / kChunk * kChunk;
  base_ = reinterpret_cast<std::byte*>(first);
  prefer_huge_pages(base_, size_);
  return true;
}

bool MemoryRange::map_file() {
  if (!map(PROT_NONE)) return false;
  file_ = make_memory_file("lockstep-memory", size_);
  return file_.get() >= 0 &&
         ::mmap(base_, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, file_.get(),
                /*offset=*/0) != MAP_FAILED &&
         leave_out_of_forks_and_dumps(base_, size_);
}

void MemoryRange::hold_addresses() const {
  ::mmap(base_, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
         /*offset=*/0);
}

void MemoryRange::give_back(const MemoryPart& part) const {
  // What a kernel refuses costs memory and nothing else.
  if (backing_ == Backing::kPrivate)
    ::madvise(base_ + part.offset, part.bytes, MADV_DONTNEED);
  else
    retry_interrupted([&] {
      return ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                         static_cast<off_t>(part.offset), static_cast<off_t>(part.bytes));
    });
}

}  // namespace lockstep
