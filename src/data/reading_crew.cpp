// SPDX-License-Identifier: Apache-2.0
#include "data/reading_crew.h"

#include <utility>

#include "lockstep/base/error.h"

namespace lockstep {

// By way of another constructor: where no more threads can be made, those there are end as they always do.
ReadingCrew::ReadingCrew(std::int64_t threads) : ReadingCrew() {
  check(threads >= 1, "somebody reads");
  for (std::int64_t i = 1; i < threads; ++i) helpers_.emplace_back([this] { help(); });
}

ReadingCrew::~ReadingCrew() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

void ReadingCrew::run(std::int64_t count, const std::function<void(std::int64_t)>& work) {
  std::unique_lock lock(mutex_);
  job_ = {};
  job_.work = &work;
  job_.count = count;
  changed_.notify_all();
  work_on(lock);
  changed_.wait(lock, [this] { return job_.running == 0; });
  const ReadTask done = std::exchange(job_, {});
  if (done.error != nullptr) std::rethrow_exception(done.error);
}

void ReadingCrew::help() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || job_.next < job_.count; });
    if (stopping_) return;
    work_on(lock);
  }
}

// Numbers are given out in order, so whatever is below one that fails has been given out too.
void ReadingCrew::work_on(std::unique_lock<std::mutex>& lock) {
  while (job_.next < job_.count) {
    const std::int64_t number = job_.next++;
    ++job_.running;
    lock.unlock();
    std::exception_ptr error;
    try {
      (*job_.work)(number);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    --job_.running;
    if (error == nullptr) continue;
    if (job_.error == nullptr || number < job_.failed) {
      job_.error = error;
      job_.failed = number;
    }
    job_.count = job_.next;
  }
  changed_.notify_all();
}

}  // namespace lockstep
