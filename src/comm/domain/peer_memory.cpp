// SPDX-License-Identifier: Apache-2.0
#include "comm/domain/peer_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/huge_pages.h"
#include "base/memory_file.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

[[noreturn]] void refuse(const char* what) {
  throw Fault(
      ExitCode::kCannotStart,
      fmt::format("the memory of another rank of this host cannot be {}: {}", what, std::strerror(errno)),
      "Allow this process more addresses (ulimit -v), or set dist.shared_memory: false");
}

}  // namespace

PeerMemory::PeerMemory(const Descriptor& file) {
  struct stat status {};
  void* place = MAP_FAILED;
  if (::fstat(file.get(), &status) == 0) {
    bytes_ = static_cast<std::size_t>(status.st_size);
    place = ::mmap(nullptr, bytes_, PROT_READ, MAP_SHARED | MAP_NORESERVE, file.get(), 0);
  }
  if (place == MAP_FAILED) refuse("mapped");
  data_ = static_cast<std::byte*>(place);
  prefer_huge_pages(place, bytes_);
  leave_out_of_forks_and_dumps(place, bytes_);
}

void PeerMemory::allow_writes() {
  if (!is_writable_ && ::mprotect(data_, bytes_, PROT_READ | PROT_WRITE) != 0) refuse("written");
  is_writable_ = true;
}

PeerMemory::~PeerMemory() {
  ::munmap(data_, bytes_);
}

}  // namespace lockstep
