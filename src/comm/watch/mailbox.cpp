// SPDX-License-Identifier: Apache-2.0
#include "comm/watch/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace lockstep {

Mailbox::Mailbox() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Mailbox::post(Change change) {
  {
    const std::lock_guard lock(mutex_);
    changes_.push_back(std::move(change));
  }
  wake();
}

void Mailbox::close(std::chrono::milliseconds limit) {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  wake();
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [this] { return through_; });
}

bool Mailbox::read() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
  std::vector<Change> changes;
  bool closed = false;
  {
    const std::lock_guard lock(mutex_);
    changes.swap(changes_);
    closed = closed_;
  }
  for (const Change& change : changes) change();
  return !closed;
}

void Mailbox::say_through() {
  const std::lock_guard lock(mutex_);
  through_ = true;
  changed_.notify_all();
}

void Mailbox::wake() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

}  // namespace lockstep
