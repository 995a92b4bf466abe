// SPDX-License-Identifier: Apache-2.0
#include "comm/domain/file_handover.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "comm/domain/descriptor_socket.h"
#include "lockstep/base/error.h"

namespace lockstep {

const Descriptor& FileHandover::socket_to(int other) const {
  return sockets_[static_cast<std::size_t>(rank_ == 0 ? other - 1 : 0)];
}

bool FileHandover::send(const Descriptor& file, int from) const {
  if (rank_ != 0) return rank_ != from || send_descriptor(socket_to(0), file, turn_);
  for (int other = 1; other < ranks_; ++other)
    if (other != from && !send_descriptor(socket_to(other), file, turn_)) return false;
  return true;
}

Descriptor FileHandover::pass(int file, int from) {
  ++turn_;
  const bool is_open = !sockets_.empty() || ranks_ == 1;
  errno = 0;
  Descriptor handed(-1);
  if (is_open)
    handed = rank_ == from ? Descriptor(::fcntl(file, F_DUPFD_CLOEXEC, 0))
                           : receive_descriptor(socket_to(rank_ == 0 ? from : 0), turn_);
  if (handed.get() >= 0 && send(handed, from)) return handed;
  const int why = errno;
  close();
  throw Fault(ExitCode::kCannotStart,
              fmt::format("an open file did not get from one rank to the other{}{}", why == 0 ? "" : ": ",
                          why == 0 ? "" : std::strerror(why)),
              "Raise the limit of open files (ulimit -n), or set dist.shared_memory: false");
}

}  // namespace lockstep
