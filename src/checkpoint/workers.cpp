// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/workers.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "lockstep/base/error.h"

namespace lockstep {

std::optional<std::size_t> Tickets::next() {
  const std::size_t ticket = next_++;
  return ticket < count_ ? std::optional(ticket) : std::nullopt;
}

void share_work(std::size_t tickets, int threads, const std::function<void(Tickets&)>& work) {
  Tickets shared(tickets);
  std::mutex mutex;
  std::exception_ptr first;
  const auto guarded = [&] {
    try {
      work(shared);
    } catch (...) {
      shared.stop();
      const std::lock_guard lock(mutex);
      if (!first) first = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> helpers;
    try {
      for (std::size_t i = 1; i < std::min<std::size_t>(threads, tickets); ++i) helpers.emplace_back(guarded);
    } catch (const std::system_error& error) {
      shared.stop();
      throw Fault(ExitCode::kStorage, std::string("no thread to write with: ") + error.what(),
                  "Raise the limit of processes (ulimit -u)");
    }
    guarded();
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace lockstep
