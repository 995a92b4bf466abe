// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace lockstep {

// Lines for files, written in their order by a thread of its own: whoever says them does not wait for the
// disk. All functions are Local and safe from any thread.
class LineWriter {
 public:
  // Called by the thread, a line at a time; may throw.
  using Write = std::function<void(const std::string& file, const std::string& line)>;
  explicit LineWriter(Write write, std::size_t capacity_bytes = 64u << 20);
  // Writes what waits. Blocks as long as the disk does.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // Queues the line, and waits only where the queue is full. What `write` threw is thrown here and by
  // flush(), each time from then on; nothing more is written then, so that no file has a hole.
  void append(const std::string& file, std::string line);
  // As append(), but never waits and never throws: false when the line was not taken.
  bool try_append(const std::string& file, std::string line);
  // Returns when all that was queued before is written.
  void flush();
  // The same for that long at most, without a throw: false when something is not written.
  bool flush_for(std::chrono::milliseconds limit);

 private:
  struct Line {
    std::string file;
    std::string text;
  };

  bool is_full() const { return bytes_ >= capacity_; }
  void put(const std::string& file, std::string line);
  void work();
  void write_next(std::unique_lock<std::mutex>& lock);

  Write write_;
  std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable queued_;
  std::condition_variable written_;
  std::deque<Line> lines_;  // the first is being written
  std::size_t bytes_ = 0;
  std::exception_ptr failure_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace lockstep
