// SPDX-License-Identifier: Apache-2.0
#include "base/line_writer.h"

#include <utility>

namespace lockstep {

LineWriter::LineWriter(Write write, std::size_t capacity_bytes)
    : write_(std::move(write)), capacity_(capacity_bytes) {}

LineWriter::~LineWriter() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  queued_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LineWriter::put(const std::string& file, std::string line) {
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
  bytes_ += line.size();
  lines_.push_back({file, std::move(line)});
  queued_.notify_one();
}

void LineWriter::append(const std::string& file, std::string line) {
  std::unique_lock lock(mutex_);
  written_.wait(lock, [&] { return failure_ || !is_full(); });
  if (failure_) std::rethrow_exception(failure_);
  put(file, std::move(line));
}

bool LineWriter::try_append(const std::string& file, std::string line) {
  const std::lock_guard lock(mutex_);
  if (failure_ || is_full()) return false;
  put(file, std::move(line));
  return true;
}

void LineWriter::flush() {
  std::unique_lock lock(mutex_);
  written_.wait(lock, [&] { return lines_.empty(); });
  if (failure_) std::rethrow_exception(failure_);
}

bool LineWriter::flush_for(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return written_.wait_for(lock, limit, [&] { return lines_.empty(); }) && !failure_;
}

void LineWriter::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    queued_.wait(lock, [&] { return ends_ || !lines_.empty(); });
    if (lines_.empty()) return;
    write_next(lock);
  }
}

void LineWriter::write_next(std::unique_lock<std::mutex>& lock) {
  const Line line = std::move(lines_.front());  // a copy could fail, and this is nobody's to catch
  std::exception_ptr failure;
  lock.unlock();
  try {
    write_(line.file, line.text);
  } catch (...) {
    failure = std::current_exception();
  }
  lock.lock();
  if (failure) {
    failure_ = failure;
    lines_.clear();
    bytes_ = 0;
  } else {
    bytes_ -= line.text.size();
    lines_.pop_front();
  }
  written_.notify_all();
}

}  // namespace lockstep
