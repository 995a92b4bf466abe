// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/mapped_file.h"
#include "lockstep/base/hash.h"

namespace lockstep {

// The payloads of several mapped files as one run of bytes. Built once by append(), then only read, from any
// thread.
class JoinedFiles {
 public:
  // Local. Takes the bytes from `skip` on (0 <= skip <= size); what lies before is a header already
  // understood.
  void append(MappedFile file, std::size_t skip = 0);

  // Bytes of all payloads.
  std::uint64_t size() const { return starts_.back(); }
  // Local. Fills `into` from `offset`, over file borders. Throws Bug when that passes the end.
  void copy(std::uint64_t offset, std::span<std::byte> into) const;

  // Local. By content: payload sizes, then all bytes up to 256 MiB in total; above that 66 blocks of 1 MiB of
  // the joined bytes (the first, the last, 64 evenly spaced). Names and times do not enter.
  Digest fingerprint() const;

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
  std::vector<std::uint64_t> starts_{0};  // of each payload in the joined bytes, then the end
  mutable std::atomic<std::uint64_t> next_check_{0};
};

// Local. A file stands for itself, a folder for every regular file below it in byte order of the relative
// path (links to folders are not entered). Throws Fault (66) for a path that is missing or a folder without
// files.
std::vector<std::string> list_files(const std::vector<std::string>& paths);

}  // namespace lockstep
