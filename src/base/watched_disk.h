// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "lockstep/base/disk.h"

namespace lockstep {

// An operation of a disk that takes long.
struct SlowOperation {
  std::string name;  // "write", "fsync", …
  std::string path;
  double seconds = 0;     // so far, or in all
  bool answered = false;  // it is over
};

// A disk over another one that notices when that one does not answer. A thread that needs nobody says so
// while the operation still hangs, again after twice the time, and once it has answered. Safe from several
// threads.
class WatchedDisk : public Disk {
 public:
  using Tell = std::function<void(const SlowOperation&)>;

  // `inner` outlives it. What takes longer than `patience` is slow.
  explicit WatchedDisk(Disk& inner, std::chrono::milliseconds patience = std::chrono::seconds(5));
  ~WatchedDisk() override;

  // Who is told, on the thread of the watch; `tell` may be empty. Returns when the one before is not being
  // told any more.
  void tell(Tell tell);
  // The operation that has been going on for longest, where there is one.
  std::optional<SlowOperation> longest() const;

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
  friend class WatchedWritableFile;
  friend class WatchedReadableFile;
  using Time = std::chrono::steady_clock::time_point;

  struct Operation {
    const char* name;
    const std::string* path;
    Time begun;
    Time tell_at;
  };

  // Does `work` under watch.
  template <class Work>
  auto watched(const char* name, const std::string& path, Work&& work);
  std::list<Operation>::iterator begin(const char* name, const std::string& path);
  void end(std::list<Operation>::iterator operation);
  void watch();
  std::vector<SlowOperation> due(Time now);

  Disk& inner_;
  std::chrono::milliseconds patience_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Operation> operations_;
  std::vector<SlowOperation> answered_;
  bool ends_ = false;
  std::mutex telling_;
  Tell tell_;
  std::thread thread_;
};

}  // namespace lockstep
