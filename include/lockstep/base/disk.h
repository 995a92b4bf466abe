// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

struct FileInfo {
  std::uint64_t bytes = 0;
  std::int64_t modified_ns = 0;  // since the epoch; for telling change, never for order
  bool is_directory = false;
};

// A file being written. Destruction closes without a word; what must be durable is sync()ed first.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // What offset, size and address of every write must be multiples of: 1 but for a file of create_direct().
  virtual std::size_t alignment() const = 0;
  // Takes room for that many bytes, so that a full disk shows itself now; the file has this length
  // afterwards. A file system that cannot do that passes. Throws Fault (74).
  virtual void reserve(std::uint64_t bytes) = 0;
  // Writes all of `bytes` at `offset`; EINTR and short writes are continued inside. Several threads may write
  // at the same time, at different places. Throws Fault (74).
  virtual void write_at(std::uint64_t offset, std::span<const std::byte> bytes) = 0;
  // Throws Fault (74).
  virtual void truncate(std::uint64_t bytes) = 0;
  // fsync. A failure is final for this file: the pages may be gone, so never retry it, write a new file.
  // Throws Fault (74).
  virtual void sync() = 0;
  // Throws Fault (74): a close may report the error of an earlier write.
  virtual void close() = 0;
};

class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  virtual std::uint64_t size() const = 0;
  // Fills all of `into` from `offset`; from any thread. Throws Fault (65) when the file ends before, (74) on
  // a read error.
  virtual void read_at(std::uint64_t offset, std::span<std::byte> into) const = 0;
};

// The I/O seam: every byte of a checkpoint, journal or lock goes through one of these, so that tests can make
// the k-th operation fail. Paths are plain strings; symbolic links are not followed for the last component (a
// planted link is refused). All functions are Local, safe from several threads, and throw Fault with path,
// errno text and a remedy: code 74 for write-side operations, 66 for a missing file to read.
class Disk {
 public:
  virtual ~Disk() = default;
  virtual std::unique_ptr<WritableFile> create(const std::string& path) = 0;  // must not exist
  // As create(), for bytes that go around the page cache where the file system can do that (O_DIRECT); the
  // file's alignment() says so.
  virtual std::unique_ptr<WritableFile> create_direct(const std::string& path) = 0;
  virtual std::unique_ptr<ReadableFile> open(const std::string& path) = 0;
  // As open(), for bytes that come from the disk itself where the file system can do that. Places that are
  // multiples of 4096 (offset, size and address) are read without a copy.
  virtual std::unique_ptr<ReadableFile> open_direct(const std::string& path) = 0;
  // One O_APPEND write of a whole line or record; creates the file. Durable only after sync_file().
  virtual void append(const std::string& path, std::string_view text) = 0;
  virtual void truncate(const std::string& path, std::uint64_t bytes) = 0;
  virtual void sync_file(const std::string& path) = 0;
  virtual void sync_directory(const std::string& path) = 0;  // EINVAL (not supported there) passes
  virtual void rename(const std::string& from, const std::string& to) = 0;
  virtual void remove(const std::string& path) = 0;
  virtual void make_directory(const std::string& path) = 0;  // the last component; exists already: passes
  virtual std::vector<std::string> list(const std::string& path) = 0;  // names, sorted; no "." and ".."
  virtual std::optional<FileInfo> info(const std::string& path) = 0;   // empty when nothing is there
  virtual std::uint64_t free_bytes(const std::string& path) = 0;
};

// The file system of this machine.
Disk& real_disk();

// Whole file as text; refuses more than `limit` bytes with Fault (65).
std::string read_text(Disk& disk, const std::string& path, std::uint64_t limit = 64u << 20);

// Replaces `path` atomically and durably: writes path.part, syncs, renames, syncs the directory.
void replace_text(Disk& disk, const std::string& path, std::string_view text);

// The folder a path lies in: "." for a name alone, "/" for what lies there.
std::string parent_of(const std::string& path);

// Creates the missing parents too.
void make_directories(Disk& disk, const std::string& path);

// Removes a file or a whole folder; nothing there: passes.
void remove_tree(Disk& disk, const std::string& path);

}  // namespace lockstep
