// SPDX-License-Identifier: Apache-2.0
#include "comm/domain/shared_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <string>

#include "base/available_memory.h"
#include "base/memory_file.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

[[noreturn]] void no_room(std::size_t bytes, const std::string& why) {
  throw Fault(ExitCode::kCannotStart, fmt::format("no {} bytes of shared memory: {}", bytes, why),
              "Give the job more memory");
}

}  // namespace

Descriptor SharedMemory::make(std::size_t bytes, Pages pages) {
  // Where a cgroup has a limit, a page too many is the end of the process and no error.
  if (available_memory() < bytes) no_room(bytes, fmt::format("{} are left", available_memory()));
  Descriptor file = make_memory_file("lockstep", bytes);
  const auto filled = [&] { return ::fallocate(file.get(), 0, 0, static_cast<off_t>(bytes)); };
  if (file.get() < 0 || (pages == Pages::kReserved && retry_interrupted(filled) != 0))
    no_room(bytes, std::strerror(errno));
  return file;
}

SharedMemory::SharedMemory(const Descriptor& file, std::size_t bytes) : bytes_(bytes) {
  struct stat status {};
  // Behind the end of the file a mapping has no pages, and whoever comes there is ended.
  if (::fstat(file.get(), &status) != 0 || static_cast<std::size_t>(status.st_size) != bytes)
    no_room(bytes, "the file is of another length");
  void* const place = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (place == MAP_FAILED) no_room(bytes, std::strerror(errno));
  data_ = static_cast<std::byte*>(place);
  leave_out_of_forks_and_dumps(data_, bytes);
}

SharedMemory::~SharedMemory() {
  ::munmap(data_, bytes_);
}

void SharedMemory::keep_private_from(std::size_t begin) {
  if (begin >= bytes_) return;
  void* const place = ::mmap(data_ + begin, bytes_ - begin, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (place == MAP_FAILED) no_room(bytes_ - begin, std::strerror(errno));
}

}  // namespace lockstep
