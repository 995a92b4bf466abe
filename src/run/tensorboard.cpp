// SPDX-License-Identifier: Apache-2.0
#include "run/tensorboard.h"

#include <fmt/format.h>

#include <array>
#include <bit>

namespace lockstep {
namespace {

// Little-endian, whatever the machine is.
template <class Unsigned>
std::string fixed(Unsigned value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof value; ++i) bytes += static_cast<char>(value >> (8 * i) & 0xff);
  return bytes;
}

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7f) | 0x80);
  return bytes + static_cast<char>(value);
}

// Protobuf's wire format: a field is its number and kind, then the value.
enum class Wire : unsigned { kVarint = 0, k64 = 1, kBytes = 2, k32 = 5 };

std::string field(unsigned number, Wire wire, const std::string& value) {
  return varint(number << 3 | static_cast<unsigned>(wire)) + value;
}

std::string bytes_field(unsigned number, const std::string& bytes) {
  return field(number, Wire::kBytes, varint(bytes.size()) + bytes);
}

// Event: wall_time = 1, step = 2, and one of file_version = 3, summary = 5, session_log = 7. As a record:
// length, its checksum, the event, its checksum.
std::string record(double unix_time, std::int64_t step, const std::string& what) {
  const std::string event = field(1, Wire::k64, fixed(std::bit_cast<std::uint64_t>(unix_time))) +
                            field(2, Wire::kVarint, varint(static_cast<std::uint64_t>(step))) + what;
  const std::string length = fixed(static_cast<std::uint64_t>(event.size()));
  return length + fixed(tensorboard_mask(crc32c(length))) + event + fixed(tensorboard_mask(crc32c(event)));
}

constexpr std::array<std::uint32_t, 256> kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
    table[i] = crc;
  }
  return table;
}();

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~0u;
  for (const char c : bytes) crc = crc >> 8 ^ kCrcTable[(crc ^ static_cast<unsigned char>(c)) & 0xff];
  return ~crc;
}

std::uint32_t tensorboard_mask(std::uint32_t crc) {
  return std::rotr(crc, 15) + 0xa282ead8u;
}

std::string tensorboard_file(int attempt) {
  return fmt::format("events.out.tfevents.{:010}.lockstep", attempt);
}

std::string tensorboard_start(double unix_time, std::int64_t first) {
  constexpr std::uint64_t kStart = 1;  // SessionLog.SessionStatus
  return record(unix_time, 0, bytes_field(3, "brain.Event:2")) +
         record(unix_time, first, bytes_field(7, field(1, Wire::kVarint, varint(kStart))));
}

std::string tensorboard_values(double unix_time, std::int64_t step,
                               const std::map<std::string, double>& values) {
  std::string summary;  // Summary: value = 1, of tag = 1 and simple_value = 2
  for (const auto& [tag, value] : values) {
    const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
    summary += bytes_field(1, bytes_field(1, tag) + field(2, Wire::k32, fixed(bits)));
  }
  return record(unix_time, step, bytes_field(5, summary));
}

}  // namespace lockstep
