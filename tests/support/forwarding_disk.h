// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/base/disk.h"

namespace lockstep {

// A disk over another one that changes nothing: for tests that change one operation.
class ForwardingDisk : public Disk {
 public:
  explicit ForwardingDisk(Disk& inner) : inner_(inner) {}

  std::unique_ptr<WritableFile> create(const std::string& path) override { return inner_.create(path); }
  std::unique_ptr<WritableFile> create_direct(const std::string& path) override {
    return inner_.create_direct(path);
  }
  std::unique_ptr<ReadableFile> open_direct(const std::string& path) override {
    return inner_.open_direct(path);
  }
  std::unique_ptr<ReadableFile> open(const std::string& path) override { return inner_.open(path); }
  void append(const std::string& path, std::string_view text) override { inner_.append(path, text); }
  void truncate(const std::string& path, std::uint64_t bytes) override { inner_.truncate(path, bytes); }
  void sync_file(const std::string& path) override { inner_.sync_file(path); }
  void sync_directory(const std::string& path) override { inner_.sync_directory(path); }
  void rename(const std::string& from, const std::string& to) override { inner_.rename(from, to); }
  void remove(const std::string& path) override { inner_.remove(path); }
  void make_directory(const std::string& path) override { inner_.make_directory(path); }
  std::vector<std::string> list(const std::string& path) override { return inner_.list(path); }
  std::optional<FileInfo> info(const std::string& path) override { return inner_.info(path); }
  std::uint64_t free_bytes(const std::string& path) override { return inner_.free_bytes(path); }

 protected:
  Disk& inner_;
};

}  // namespace lockstep
