// SPDX-License-Identifier: Apache-2.0
#include "turns.h"

#include <chrono>

namespace lockstep::bench {
namespace {

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::unique_ptr<WritableFile> TellingDisk::create(const std::string& path) {
  return real_disk().create(path);
}
std::unique_ptr<WritableFile> TellingDisk::create_direct(const std::string& path) {
  return real_disk().create_direct(path);
}
std::unique_ptr<ReadableFile> TellingDisk::open(const std::string& path) {
  return real_disk().open(path);
}
std::unique_ptr<ReadableFile> TellingDisk::open_direct(const std::string& path) {
  return real_disk().open_direct(path);
}
void TellingDisk::append(const std::string& path, std::string_view text) {
  real_disk().append(path, text);
  if (path.ends_with("/metrics.jsonl")) after_line_(text);
}
void TellingDisk::truncate(const std::string& path, std::uint64_t bytes) {
  real_disk().truncate(path, bytes);
}
void TellingDisk::sync_file(const std::string& path) {
  real_disk().sync_file(path);
}
void TellingDisk::sync_directory(const std::string& path) {
  real_disk().sync_directory(path);
}
void TellingDisk::rename(const std::string& from, const std::string& to) {
  real_disk().rename(from, to);
}
void TellingDisk::remove(const std::string& path) {
  real_disk().remove(path);
}
void TellingDisk::make_directory(const std::string& path) {
  real_disk().make_directory(path);
}
std::vector<std::string> TellingDisk::list(const std::string& path) {
  return real_disk().list(path);
}
std::optional<FileInfo> TellingDisk::info(const std::string& path) {
  return real_disk().info(path);
}
std::uint64_t TellingDisk::free_bytes(const std::string& path) {
  return real_disk().free_bytes(path);
}

void Turns::finished_a() {
  const double ended = now_ms();
  const int pair = turn_++ - warm_up_;
  if (pair < 0) {
    take_b(/*counts=*/false);
  } else if (pair < pairs_) {
    a_ms_.push_back(ended - resumed_ms_);
    for (int i = 0; pair % 2 == 0 && i < 2; ++i) take_b(/*counts=*/true);
  }
  resumed_ms_ = now_ms();
}

void Turns::take_b(bool counts) {
  const double begun = now_ms();
  b_();
  if (counts) b_ms_.push_back(now_ms() - begun);
}

}  // namespace lockstep::bench
