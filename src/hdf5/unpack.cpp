// SPDX-License-Identifier: Apache-2.0
#include "hdf5/unpack.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "untrusted/inflate.h"
#include "untrusted/refusal.h"

namespace lockstep {

namespace {

constexpr const char* kDamaged = "the bytes of a chunk differ from their checksum: the file is damaged";

unsigned at(std::span<const std::byte> bytes, std::size_t place) {
  return std::to_integer<unsigned>(bytes[place]);
}

// Sums of 16-bit numbers, high byte first, whose carries are added again.
std::uint32_t fletcher32(std::span<const std::byte> bytes) {
  // As many as can be added before 32 bits overflow.
  constexpr std::size_t kRun = 360;
  const auto fold = [](std::uint32_t sum) { return (sum & 0xFFFF) + (sum >> 16); };
  std::uint32_t first = 0, second = 0;
  for (std::size_t i = 0; i + 1 < bytes.size();) {
    const std::size_t end = std::min(bytes.size() - 1, i + 2 * kRun);
    for (; i < end; i += 2) second += first += at(bytes, i) << 8 | at(bytes, i + 1);
    first = fold(first);
    second = fold(second);
  }
  if (bytes.size() % 2 != 0) {
    second += first += at(bytes, bytes.size() - 1) << 8;
    first = fold(first);
    second = fold(second);
  }
  return fold(second) << 16 | fold(first);
}

template <std::size_t Bytes>
void interleave(std::span<const std::byte> planes, std::size_t count, std::span<std::byte> into) {
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < Bytes; ++j) into[i * Bytes + j] = planes[j * count + i];
}

}  // namespace

std::span<const std::byte> without_fletcher32(std::span<const std::byte> bytes, const std::string& origin) {
  if (bytes.size() < kFletcherBytes) refuse_bytes(origin, "a chunk is too short for its checksum");
  const auto covered = bytes.first(bytes.size() - kFletcherBytes);
  const auto kept = bytes.last(kFletcherBytes);
  const std::uint32_t sum = fletcher32(covered);
  const std::uint32_t stored = at(kept, 0) | at(kept, 1) << 8 | at(kept, 2) << 16 | at(kept, 3) << 24;
  // HDF5 before 1.6.3 wrote each half the other way round.
  const std::uint32_t old = at(kept, 1) | at(kept, 0) << 8 | at(kept, 3) << 16 | at(kept, 2) << 24;
  if (sum != stored && sum != old && !fault_requested("guard.skip_checksum")) refuse_bytes(origin, kDamaged);
  return covered;
}

void unpack_gzip(std::span<const std::byte> packed, std::span<std::byte> into, const std::string& origin) {
  constexpr std::size_t kHead = 2;
  constexpr std::size_t kSum = 4;
  constexpr unsigned kDictionary = 0x20;
  const bool sound = packed.size() >= kHead + kSum && (at(packed, 0) & 0x0F) == Z_DEFLATED &&
                     at(packed, 0) >> 4 <= 7 && (at(packed, 1) & kDictionary) == 0 &&
                     (at(packed, 0) << 8 | at(packed, 1)) % 31 == 0;
  if (!sound) refuse_bytes(origin, "a chunk is no stream of gzip's: damaged");
  inflate(packed.subspan(kHead, packed.size() - kHead - kSum), into, origin);
  const auto kept = packed.last(kSum);
  const std::uint32_t stored = at(kept, 0) << 24 | at(kept, 1) << 16 | at(kept, 2) << 8 | at(kept, 3);
  const uLong sum = ::adler32_z(1, reinterpret_cast<const Bytef*>(into.data()), into.size());
  if (sum != stored && !fault_requested("guard.skip_checksum")) refuse_bytes(origin, kDamaged);
}

void unpack_lzf(std::span<const std::byte> packed, std::span<std::byte> into, const std::string& origin) {
  constexpr unsigned kLongestLiteral = 32;
  constexpr unsigned kLongCopy = 7;
  const auto require = [&](bool sound) {
    if (!sound) refuse_bytes(origin, "a chunk of lzf is damaged, or does not unpack to its length");
  };
  std::size_t in = 0;
  std::size_t out = 0;
  const auto next = [&] {
    require(in < packed.size());
    return at(packed, in++);
  };
  while (in < packed.size()) {
    const unsigned control = next();
    if (control < kLongestLiteral) {
      const std::size_t bytes = control + 1;
      require(bytes <= packed.size() - in && bytes <= into.size() - out);
      std::memcpy(into.data() + out, packed.data() + in, bytes);
      in += bytes;
      out += bytes;
      continue;
    }
    std::size_t bytes = control >> 5;
    if (bytes == kLongCopy) bytes += next();
    bytes += 2;
    const std::size_t back = ((control & 0x1F) << 8 | next()) + 1;
    require(back <= out && bytes <= into.size() - out);
    // What is copied may be what was just copied: byte by byte.
    for (; bytes > 0; --bytes, ++out) into[out] = into[out - back];
  }
  require(out == into.size());
}

void unshuffle(std::span<const std::byte> bytes, std::size_t element_bytes, std::span<std::byte> into) {
  check(bytes.size() == into.size(), "shuffled bytes are as many as before");
  const std::size_t count = bytes.size() / element_bytes;
  switch (element_bytes) {
    case 2:
      interleave<2>(bytes, count, into);
      break;
    case 4:
      interleave<4>(bytes, count, into);
      break;
    case 8:
      interleave<8>(bytes, count, into);
      break;
    default:
      for (std::size_t j = 0; j < element_bytes && count > 0; ++j)
        for (std::size_t i = 0; i < count; ++i) into[i * element_bytes + j] = bytes[j * count + i];
  }
  // What is no whole element stays where it was.
  std::ranges::copy(bytes.subspan(count * element_bytes),
                    into.begin() + static_cast<std::ptrdiff_t>(count * element_bytes));
}

}  // namespace lockstep
