// SPDX-License-Identifier: Apache-2.0
#include "base/process_text.h"

#include <fcntl.h>

#include <array>

#include "base/descriptor.h"

namespace lockstep {

std::string process_text(pid_t process, const char* file) {
  const std::string path = "/proc/" + std::to_string(process) + "/" + file;
  const Descriptor open(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> piece;
  for (;;) {
    const ssize_t got = retry_interrupted([&] { return ::read(open.get(), piece.data(), piece.size()); });
    if (got <= 0) return got < 0 ? "" : text;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace lockstep
