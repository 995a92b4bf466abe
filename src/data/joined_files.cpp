// SPDX-License-Identifier: Apache-2.0
#include "data/joined_files.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// Every rank reads this much at each start; larger data is told apart by its sizes and 66 samples of it.
// A change of these numbers changes the fingerprints that checkpoints keep.
constexpr std::uint64_t kHashedInFull = 256u << 20;
constexpr std::uint64_t kBlock = 1u << 20;
constexpr std::uint64_t kSpacedBlocks = 64;
// Bounds the cost of a step, whatever the number of files.
constexpr std::uint64_t kChecksPerCall = 256;

}  // namespace

void JoinedFiles::append(MappedFile file, std::size_t skip, std::string name) {
  check(skip <= file.bytes().size(), "a header lies inside its file");
  starts_.push_back(starts_.back() + file.bytes().size() - skip);
  skips_.push_back(skip);
  names_.push_back(name.empty() ? std::filesystem::path(file.path()).filename().string() : std::move(name));
  files_.push_back(std::move(file));
}

std::size_t JoinedFiles::file_at(std::uint64_t offset) const {
  // Files without bytes start where the next one does; the last of them is the one that holds the byte.
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), offset);
  return static_cast<std::size_t>(after - starts_.begin()) - 1;
}

std::pair<std::string, std::uint64_t> JoinedFiles::place_of(std::uint64_t offset) const {
  const std::size_t file = file_at(offset);
  return {files_[file].path(), offset - starts_[file]};
}

void JoinedFiles::copy(std::uint64_t offset, std::span<std::byte> into) const {
  check(offset <= size() && into.size() <= size() - offset, "a read ends inside the joined files");
  if (into.empty()) return;
  for (std::size_t file = file_at(offset); !into.empty(); ++file) {
    const auto from = payload(file).subspan(offset - starts_[file]);
    const std::size_t count = std::min(from.size(), into.size());
    if (count > 0) std::memcpy(into.data(), from.data(), count);
    into = into.subspan(count);
    offset += count;
  }
}

void JoinedFiles::hash_range(Hasher& hasher, std::uint64_t offset, std::uint64_t bytes) const {
  if (bytes == 0) return;
  for (std::size_t file = file_at(offset); bytes > 0; ++file) {
    const auto from = payload(file).subspan(offset - starts_[file]);
    const std::uint64_t count = std::min<std::uint64_t>(from.size(), bytes);
    hasher.update(from.first(count));
    bytes -= count;
    offset += count;
  }
}

Digest JoinedFiles::fingerprint() const {
  Hasher hasher;
  hasher.update_u64(files_.size());
  // Sizes first: the same bytes cut into other files are other data.
  for (std::size_t file = 0; file < files_.size(); ++file) hasher.update_u64(payload(file).size());
  if (size() <= kHashedInFull) {
    hash_range(hasher, 0, size());
  } else {
    const std::uint64_t last = size() - kBlock;
    hash_range(hasher, 0, kBlock);
    for (std::uint64_t block = 1; block <= kSpacedBlocks; ++block)
      hash_range(hasher, last / (kSpacedBlocks + 1) * block, kBlock);
    hash_range(hasher, last, kBlock);
  }
  return hasher.digest();
}

void JoinedFiles::check_unchanged() const {
  if (files_.empty()) return;
  const std::uint64_t count = std::min<std::uint64_t>(files_.size(), kChecksPerCall);
  const std::uint64_t first = next_check_.fetch_add(count, std::memory_order_relaxed);
  for (std::uint64_t i = 0; i < count; ++i) files_[(first + i) % files_.size()].check_unchanged();
}

std::vector<DataFile> JoinedFiles::files() const {
  // Together no more than the fingerprint reads.
  const std::uint64_t block = size() <= kHashedInFull ? kHashedInFull : kHashedInFull / 3 / files_.size();
  std::vector<DataFile> list;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const auto bytes = files_[i].bytes();
    Hasher hasher;
    if (bytes.size() <= 3 * block) {
      hasher.update(bytes);
    } else {
      hasher.update(bytes.first(block));
      hasher.update(bytes.subspan((bytes.size() - block) / 2, block));
      hasher.update(bytes.last(block));
    }
    list.push_back({names_[i], bytes.size(), hasher.digest()});
  }
  return list;
}

}  // namespace lockstep
