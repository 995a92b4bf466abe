// SPDX-License-Identifier: Apache-2.0
#include "drill/journal_tail.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "base/descriptor.h"

namespace lockstep {

bool JournalTail::read(const std::function<void(const std::string&)>& use) {
  const Descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return false;
  bool any = false;
  std::array<char, 65536> piece;
  for (;;) {
    const ssize_t got =
        retry_interrupted([&] { return ::pread(file.get(), piece.data(), piece.size(), done_); });
    if (got <= 0) return any;
    done_ += got;
    begun_.append(piece.data(), static_cast<std::size_t>(got));
    std::size_t begin = 0;
    for (std::size_t end; (end = begun_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      use(begun_.substr(begin, end - begin));
      any = true;
    }
    begun_.erase(0, begin);
  }
}

}  // namespace lockstep
