// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/mapped_file.h"
#include "lockstep/base/hash.h"
#include "lockstep/data/dataset.h"

namespace lockstep {

// The payloads of several mapped files as one run of bytes. Built once by append(), then only read, from any
// thread.
class JoinedFiles {
 public:
  // Local. Takes the bytes from `skip` on (0 <= skip <= size); what lies before is a header already
  // understood. `name` is the file's in files(); empty: the last part of its path.
  void append(MappedFile file, std::size_t skip = 0, std::string name = "");

  std::size_t count() const { return files_.size(); }
  // Bytes of all payloads.
  std::uint64_t size() const { return starts_.back(); }
  // Local. Fills `into` from `offset`, over file borders. Throws Bug when that passes the end.
  void copy(std::uint64_t offset, std::span<std::byte> into) const;

  // Local. By content: payload sizes, then all bytes up to 256 MiB in total; above that 66 blocks of 1 MiB of
  // the joined bytes (the first, the last, 64 evenly spaced). Names and times do not enter.
  Digest fingerprint() const;

  // Local. Each file with its header: a digest of all bytes where the payloads have up to 256 MiB together,
  // else of three blocks of each file.
  std::vector<DataFile> files() const;
  // The path of the file that holds the byte at `offset` of the joined bytes, and where in its payload.
  std::pair<std::string, std::uint64_t> place_of(std::uint64_t offset) const;

  // Local. Looks at up to 256 files, in turn from call to call: a folder of many thousand small files must
  // not cost a stat() each at every step. Throws Fault (66).
  void check_unchanged() const;

 private:
  // A file without its header.
  std::span<const std::byte> payload(std::size_t file) const {
    return files_[file].bytes().subspan(skips_[file]);
  }
  void hash_range(Hasher& hasher, std::uint64_t offset, std::uint64_t bytes) const;
  // The file that holds the byte at `offset`.
  std::size_t file_at(std::uint64_t offset) const;

  std::vector<MappedFile> files_;
  std::vector<std::size_t> skips_;
  std::vector<std::string> names_;
  std::vector<std::uint64_t> starts_{0};  // of each payload in the joined bytes, then the end
  mutable std::atomic<std::uint64_t> next_check_{0};
};

}  // namespace lockstep
