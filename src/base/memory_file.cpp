// SPDX-License-Identifier: Apache-2.0
#include "base/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <utility>

namespace lockstep {

Descriptor make_memory_file(const char* name, std::size_t bytes) {
  Descriptor file(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const bool made =
      file.get() >= 0 &&
      retry_interrupted([&] { return ::ftruncate(file.get(), static_cast<off_t>(bytes)); }) == 0 &&
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
  return made ? std::move(file) : Descriptor(-1);
}

bool leave_out_of_forks_and_dumps(void* memory, std::size_t bytes) {
  const bool unforked = ::madvise(memory, bytes, MADV_DONTFORK) == 0;
  return ::madvise(memory, bytes, MADV_DONTDUMP) == 0 && unforked;
}

}  // namespace lockstep
