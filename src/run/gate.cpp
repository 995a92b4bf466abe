// SPDX-License-Identifier: Apache-2.0
#include "run/gate.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <array>
#include <cstring>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// Open in both directions, so that it can be written before a rank is there.
int open_gate(const std::string& path) {
  if (::mkfifo(path.c_str(), 0600) == 0)
    if (const int fd = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC); fd >= 0) return fd;
  throw Fault(ExitCode::kCannotStart, "no named pipe can be made at " + path + ": " + std::strerror(errno),
              "Free space there, or set TMPDIR to a folder that can hold one");
}

// Under a name of its own in `ps` and for `pgrep -x`, so that nobody takes a rank that waits for one that
// trains.
class WaitingName {
 public:
  WaitingName() {
    ::prctl(PR_GET_NAME, own_.data());
    ::prctl(PR_SET_NAME, "lockstep-waits");
  }
  ~WaitingName() { ::prctl(PR_SET_NAME, own_.data()); }
  WaitingName(const WaitingName&) = delete;
  WaitingName& operator=(const WaitingName&) = delete;

 private:
  std::array<char, 16> own_{};
};

}  // namespace

Gate::Gate(const std::string& path) : pipe_(open_gate(path)) {}

bool Gate::open(int ranks) {
  const std::string bytes(static_cast<std::size_t>(ranks), 'g');
  return retry_interrupted([&] { return ::write(pipe_.get(), bytes.data(), bytes.size()); }) == ranks;
}

bool pass_gate(const std::string& path) {
  const Descriptor pipe(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (pipe.get() < 0) return false;
  const WaitingName name;
  for (;;) {
    char byte = 0;
    const ssize_t n = retry_interrupted([&] { return ::read(pipe.get(), &byte, 1); });
    if (n >= 0) return n == 1;
    if (errno != EAGAIN) return false;
    pollfd wanted{pipe.get(), POLLIN, 0};
    ::poll(&wanted, 1, /*timeout=*/-1);
  }
}

}  // namespace lockstep
