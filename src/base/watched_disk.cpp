// SPDX-License-Identifier: Apache-2.0
#include "base/watched_disk.h"

#include <utility>

#include "base/seconds_between.h"

namespace lockstep {
namespace {

using Steady = std::chrono::steady_clock;

}  // namespace

template <class Work>
auto WatchedDisk::watched(const char* name, const std::string& path, Work&& work) {
  struct Watched {
    WatchedDisk& disk;
    std::list<Operation>::iterator operation;
    ~Watched() { disk.end(operation); }
  };
  const Watched during{*this, begin(name, path)};
  return work();
}

class WatchedWritableFile : public WritableFile {
 public:
  WatchedWritableFile(WatchedDisk& disk, std::string path, std::unique_ptr<WritableFile> inner)
      : disk_(disk), path_(std::move(path)), inner_(std::move(inner)) {}

  std::size_t alignment() const override { return inner_->alignment(); }
  void reserve(std::uint64_t bytes) override {
    disk_.watched("reserve", path_, [&] { inner_->reserve(bytes); });
  }
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    disk_.watched("write", path_, [&] { inner_->write_at(offset, bytes); });
  }
  void truncate(std::uint64_t bytes) override {
    disk_.watched("truncate", path_, [&] { inner_->truncate(bytes); });
  }
  void sync() override {
    disk_.watched("fsync", path_, [&] { inner_->sync(); });
  }
  void close() override {
    disk_.watched("close", path_, [&] { inner_->close(); });
  }

 private:
  WatchedDisk& disk_;
  std::string path_;
  std::unique_ptr<WritableFile> inner_;
};

class WatchedReadableFile : public ReadableFile {
 public:
  WatchedReadableFile(WatchedDisk& disk, std::string path, std::unique_ptr<ReadableFile> inner)
      : disk_(disk), path_(std::move(path)), inner_(std::move(inner)) {}

  std::uint64_t size() const override { return inner_->size(); }
  void read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    disk_.watched("read", path_, [&] { inner_->read_at(offset, into); });
  }

 private:
  WatchedDisk& disk_;
  std::string path_;
  std::unique_ptr<ReadableFile> inner_;
};

WatchedDisk::WatchedDisk(Disk& inner, std::chrono::milliseconds patience)
    : inner_(inner), patience_(patience), thread_([this] { watch(); }) {}

WatchedDisk::~WatchedDisk() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void WatchedDisk::tell(Tell tell) {
  const std::lock_guard lock(telling_);
  tell_ = std::move(tell);
}

std::optional<SlowOperation> WatchedDisk::longest() const {
  const std::lock_guard lock(mutex_);
  if (operations_.empty()) return std::nullopt;
  const Operation& first = operations_.front();
  return SlowOperation{first.name, *first.path, seconds_between(first.begun, Steady::now())};
}

std::list<WatchedDisk::Operation>::iterator WatchedDisk::begin(const char* name, const std::string& path) {
  const Time now = Steady::now();
  const std::lock_guard lock(mutex_);
  return operations_.insert(operations_.end(), {name, &path, now, now + patience_});
}

void WatchedDisk::end(std::list<Operation>::iterator operation) {
  const Time now = Steady::now();
  const std::lock_guard lock(mutex_);
  if (now - operation->begun >= patience_)
    answered_.push_back({operation->name, *operation->path, seconds_between(operation->begun, now), true});
  operations_.erase(operation);
}

std::vector<SlowOperation> WatchedDisk::due(Time now) {
  std::vector<SlowOperation> slow = std::exchange(answered_, {});
  for (Operation& operation : operations_) {
    if (now < operation.tell_at) continue;
    operation.tell_at = now + (now - operation.begun);
    slow.push_back({operation.name, *operation.path, seconds_between(operation.begun, now)});
  }
  return slow;
}

void WatchedDisk::watch() {
  std::unique_lock lock(mutex_);
  while (!ends_) {
    changed_.wait_for(lock, patience_ / 4);
    const std::vector<SlowOperation> slow = due(Steady::now());
    if (slow.empty()) continue;
    lock.unlock();
    {
      const std::lock_guard telling(telling_);
      // A remark that cannot be made is no reason to end a run.
      for (const SlowOperation& operation : slow) try {
          if (tell_) tell_(operation);
        } catch (const std::exception&) {
        }
    }
    lock.lock();
  }
}

std::unique_ptr<WritableFile> WatchedDisk::create(const std::string& path) {
  auto file = watched("create", path, [&] { return inner_.create(path); });
  return std::make_unique<WatchedWritableFile>(*this, path, std::move(file));
}

std::unique_ptr<WritableFile> WatchedDisk::create_direct(const std::string& path) {
  auto file = watched("create", path, [&] { return inner_.create_direct(path); });
  return std::make_unique<WatchedWritableFile>(*this, path, std::move(file));
}

std::unique_ptr<ReadableFile> WatchedDisk::open(const std::string& path) {
  auto file = watched("open", path, [&] { return inner_.open(path); });
  return std::make_unique<WatchedReadableFile>(*this, path, std::move(file));
}

std::unique_ptr<ReadableFile> WatchedDisk::open_direct(const std::string& path) {
  auto file = watched("open", path, [&] { return inner_.open_direct(path); });
  return std::make_unique<WatchedReadableFile>(*this, path, std::move(file));
}

void WatchedDisk::append(const std::string& path, std::string_view text) {
  watched("append", path, [&] { inner_.append(path, text); });
}

void WatchedDisk::truncate(const std::string& path, std::uint64_t bytes) {
  watched("truncate", path, [&] { inner_.truncate(path, bytes); });
}

void WatchedDisk::sync_file(const std::string& path) {
  watched("fsync", path, [&] { inner_.sync_file(path); });
}

void WatchedDisk::sync_directory(const std::string& path) {
  watched("fsync", path, [&] { inner_.sync_directory(path); });
}

void WatchedDisk::rename(const std::string& from, const std::string& to) {
  watched("rename", from, [&] { inner_.rename(from, to); });
}

void WatchedDisk::remove(const std::string& path) {
  watched("remove", path, [&] { inner_.remove(path); });
}

void WatchedDisk::make_directory(const std::string& path) {
  watched("mkdir", path, [&] { inner_.make_directory(path); });
}

std::vector<std::string> WatchedDisk::list(const std::string& path) {
  return watched("list", path, [&] { return inner_.list(path); });
}

std::optional<FileInfo> WatchedDisk::info(const std::string& path) {
  return watched("look", path, [&] { return inner_.info(path); });
}

std::uint64_t WatchedDisk::free_bytes(const std::string& path) {
  return watched("look", path, [&] { return inner_.free_bytes(path); });
}

}  // namespace lockstep
