// SPDX-License-Identifier: Apache-2.0
#include "base/process_text.h"

#include <fcntl.h>

#include <array>
#include <iterator>
#include <sstream>

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

std::vector<std::string> process_stat(pid_t process) {
  const std::string text = process_text(process, "stat");
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream rest(text.substr(name_end + 1));
  return {std::istream_iterator<std::string>(rest), {}};
}

}  // namespace lockstep
