// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <vector>

#include "base/descriptor.h"

namespace lockstep {

// What other threads have one thread do, which waits in poll() meanwhile. Local.
class Mailbox {
 public:
  using Change = std::function<void()>;

  Mailbox();

  // Any thread. `change` is made by the thread that reads; the changes of one thread in their order.
  void post(Change change);
  // Any thread. Nothing is read any more; waits until the reader has said that it is through, `limit` at
  // most.
  void close(std::chrono::milliseconds limit);

  // The reader's: readable when something is there.
  int descriptor() const { return wake_.get(); }
  // The reader's: makes the changes. False once it is closed.
  bool read();
  // The reader's last word.
  void say_through();

 private:
  void wake() const;

  Descriptor wake_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Change> changes_;
  bool closed_ = false;
  bool through_ = false;
};

}  // namespace lockstep
