// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace lockstep {

// Threads that share out numbered pieces of work, the caller being one of them.
class ReadingCrew {
 public:
  explicit ReadingCrew(std::int64_t threads);  // >= 1, with the caller
  ~ReadingCrew();
  ReadingCrew(const ReadingCrew&) = delete;
  ReadingCrew& operator=(const ReadingCrew&) = delete;

  // Local. Calls work(0) .. work(count - 1), each once, on any of the threads, and returns when none runs any
  // more. Where some throw, the rest is left out, and what the lowest number threw comes out: the same as
  // with one thread. One caller at a time.
  void run(std::int64_t count, const std::function<void(std::int64_t)>& work);

 private:
  struct ReadTask {
    const std::function<void(std::int64_t)>* work = nullptr;
    std::int64_t count = 0;
    std::int64_t next = 0;
    std::int64_t running = 0;
    std::int64_t failed = 0;  // the lowest number, where there is an error
    std::exception_ptr error;
  };
  ReadingCrew() = default;
  void help();
  void work_on(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  ReadTask job_;
  bool stopping_ = false;
  std::vector<std::thread> helpers_;
};

}  // namespace lockstep
