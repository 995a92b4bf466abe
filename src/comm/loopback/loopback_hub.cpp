// SPDX-License-Identifier: Apache-2.0
#include "comm/loopback/loopback_hub.h"

#include <fmt/format.h>

#include <algorithm>

#include "lockstep/base/error.h"

namespace lockstep {

LoopbackHub::LoopbackHub(WorldSize size) : size_(size.value), posts_(static_cast<std::size_t>(size.value)) {}

void LoopbackHub::throw_lost() const {
  throw Fault(ExitCode::kPeerLost,
              fmt::format("rank {} of {} {}", gone_.front(), size_, first_failure_ ? "failed" : "has left"),
              "Its own message says why");
}

void LoopbackHub::post(Rank rank, LoopbackPost mine) {
  posts_[static_cast<std::size_t>(rank.value)] = std::move(mine);
  meet();
  // Nobody changes a post before the next meeting, so all ranks compare the same ones and come to the same
  // end.
  for (const LoopbackPost& other : posts_) check(other == posts_.front(), "all ranks make the same call");
}

void LoopbackHub::meet() {
  std::unique_lock lock(mutex_);
  if (!gone_.empty()) throw_lost();
  const long mine = generation_;
  if (++arrived_ == size_) {
    arrived_ = 0;
    ++generation_;
    changed_.notify_all();
    return;
  }
  changed_.wait(lock, [&] { return generation_ != mine || !gone_.empty(); });
  if (generation_ == mine) throw_lost();
}

void LoopbackHub::send(Rank from, Rank to, ConstSpan data) {
  const auto* bytes = static_cast<const std::byte*>(data.data);
  const std::lock_guard lock(mutex_);
  if (first_failure_) throw_lost();
  mail_[{from.value, to.value}].emplace_back(bytes, bytes + data.bytes());
  changed_.notify_all();
}

std::vector<std::byte> LoopbackHub::receive(Rank from, Rank to) {
  std::unique_lock lock(mutex_);
  auto& queue = mail_[{from.value, to.value}];
  const auto peer_is_gone = [&] { return std::ranges::find(gone_, from.value) != gone_.end(); };
  changed_.wait(lock, [&] { return !queue.empty() || first_failure_ || peer_is_gone(); });
  // What a rank sent before it left is still good.
  if (queue.empty()) throw_lost();
  std::vector<std::byte> message = std::move(queue.front());
  queue.pop_front();
  return message;
}

void LoopbackHub::leave(Rank rank) {
  const std::lock_guard lock(mutex_);
  gone_.push_back(rank.value);
  changed_.notify_all();
}

void LoopbackHub::fail(Rank rank, std::exception_ptr reason) {
  const std::lock_guard lock(mutex_);
  if (!first_failure_) {
    first_failure_ = std::move(reason);
    // In front: the message of the others names the rank where it began.
    gone_.insert(gone_.begin(), rank.value);
  } else {
    gone_.push_back(rank.value);
  }
  changed_.notify_all();
}

std::exception_ptr LoopbackHub::first_failure() const {
  const std::lock_guard lock(mutex_);
  return first_failure_;
}

}  // namespace lockstep
