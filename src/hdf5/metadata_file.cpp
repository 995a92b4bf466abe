// SPDX-License-Identifier: Apache-2.0
#include "hdf5/metadata_file.h"

#include <algorithm>

#include "hdf5/checksum.h"
#include "lockstep/base/fault_point.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

constexpr std::size_t kChecksumBytes = 4;
// The longest text that is read, and the header of what holds it.
constexpr std::uint64_t kMaxBlock = (64u << 20) + 4096;
// Nobody's metadata is read more than a few times over. The part that does not grow is for small files, the
// limit for sparse ones that claim to be large.
constexpr std::uint64_t kTimes = 8;
constexpr std::uint64_t kAtLeast = 1u << 20;
constexpr std::uint64_t kAtMost = 1u << 30;
// What a read costs besides its bytes.
constexpr std::uint64_t kPerRead = 256;

}  // namespace

Hdf5MetadataFile::Hdf5MetadataFile(const ReadableFile& file, std::string path)
    : file_(file),
      path_(std::move(path)),
      left_(kAtLeast + kTimes * std::min(file.size(), (kAtMost - kAtLeast) / kTimes)) {}

std::vector<std::byte> Hdf5MetadataFile::read(std::uint64_t offset, std::uint64_t bytes) const {
  if (offset > size() || bytes > size() - offset)
    refuse("its metadata reaches beyond its end (" + std::to_string(size()) + " bytes): cut off or damaged");
  if (bytes > kMaxBlock) refuse("a block of metadata has " + std::to_string(bytes) + " bytes");
  if (left_ < bytes + kPerRead && !fault_requested("guard.skip_work_limit"))
    refuse("its metadata leads in circles, or is far larger than what it describes");
  left_ -= std::min(left_, bytes + kPerRead);
  std::vector<std::byte> out(static_cast<std::size_t>(bytes));
  file_.read_at(offset, out);
  return out;
}

std::vector<std::byte> Hdf5MetadataFile::read_checked(std::uint64_t offset, std::uint64_t bytes) const {
  std::vector<std::byte> out = read(offset, bytes);
  require_checksum(out);
  out.resize(out.size() - kChecksumBytes);
  return out;
}

void Hdf5MetadataFile::require_checksum(std::span<const std::byte> bytes) const {
  if (bytes.size() < kChecksumBytes) refuse("a block of metadata is too short for its checksum");
  const std::size_t covered = bytes.size() - kChecksumBytes;
  const std::uint64_t kept = Hdf5Cursor(*this, bytes.subspan(covered)).number(kChecksumBytes);
  if (hdf5_checksum(bytes.first(covered)) != kept && !fault_requested("guard.skip_checksum"))
    refuse("a block of metadata differs from its checksum: the file is damaged");
}

void Hdf5MetadataFile::refuse(const std::string& fact, const std::string& remedy) const {
  refuse_bytes(path_, fact, remedy);
}

std::uint64_t Hdf5Cursor::number(std::size_t bytes) {
  std::uint64_t value = 0;
  std::size_t shift = 0;
  for (const std::byte byte : take(bytes)) {
    value |= std::to_integer<std::uint64_t>(byte) << shift;
    shift += 8;
  }
  return value;
}

std::span<const std::byte> Hdf5Cursor::take(std::uint64_t bytes) {
  if (bytes > rest_.size()) file_.refuse("a piece of its metadata ends too early");
  const auto taken = rest_.first(static_cast<std::size_t>(bytes));
  rest_ = rest_.subspan(taken.size());
  return taken;
}

void Hdf5Cursor::expect(std::string_view signature, const char* what) {
  const auto found = take(signature.size());
  if (!std::ranges::equal(found, std::as_bytes(std::span(signature))))
    file_.refuse(std::string("a damaged ") + what);
}

void Hdf5Cursor::expect_version(std::uint8_t version, const char* what) {
  const std::uint64_t found = number(1);
  if (found != version)
    file_.refuse("version " + std::to_string(found) + " of a " + what + " is not one Lockstep reads");
}

std::string Hdf5Cursor::text() {
  const auto end = std::ranges::find(rest_, std::byte{0});
  if (end == rest_.end()) file_.refuse("a name in its metadata does not end");
  const auto taken = take(static_cast<std::uint64_t>(end - rest_.begin()));
  skip(1);
  return {reinterpret_cast<const char*>(taken.data()), taken.size()};
}

}  // namespace lockstep
