// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lockstep/base/disk.h"

namespace lockstep::bench {

// The disk that the journal of a measured run writes to: real, and it tells when a line of metrics.jsonl has
// been written. That is the end of a step as a user pays for it, and where the other side gets its turn.
class TellingDisk : public Disk {
 public:
  explicit TellingDisk(std::function<void(std::string_view line)> after_line)
      : after_line_(std::move(after_line)) {}

  std::unique_ptr<WritableFile> create(const std::string& path) override;
  std::unique_ptr<WritableFile> create_direct(const std::string& path) override;
  std::unique_ptr<ReadableFile> open(const std::string& path) override;
  std::unique_ptr<ReadableFile> open_direct(const std::string& path) override;
  void append(const std::string& path, std::string_view text) override;
  void truncate(const std::string& path, std::uint64_t bytes) override;
  void sync_file(const std::string& path) override;
  void sync_directory(const std::string& path) override;
  void rename(const std::string& from, const std::string& to) override;
  void remove(const std::string& path) override;
  void make_directory(const std::string& path) override;
  std::vector<std::string> list(const std::string& path) override;
  std::optional<FileInfo> info(const std::string& path) override;
  std::uint64_t free_bytes(const std::string& path) override;

 private:
  std::function<void(std::string_view)> after_line_;
};

// Times of both sides, taken in turns A B B A A B B A …, so that a drift of the machine meets both alike.
// finished_a() is called at the end of every turn of A; the turns of B are taken inside of it.
class Turns {
 public:
  Turns(int warm_up, int pairs, std::function<void()> b)
      : warm_up_(warm_up), pairs_(pairs), b_(std::move(b)) {}

  void finished_a();
  const std::vector<double>& a_ms() const { return a_ms_; }
  const std::vector<double>& b_ms() const { return b_ms_; }

 private:
  void take_b(bool counts);

  int warm_up_;
  int pairs_;
  std::function<void()> b_;
  int turn_ = 0;
  double resumed_ms_ = 0;
  std::vector<double> a_ms_;
  std::vector<double> b_ms_;
};

}  // namespace lockstep::bench
