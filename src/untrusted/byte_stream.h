// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "lockstep/base/disk.h"

namespace lockstep {

// Bytes [first, end) of a file, front to back through a small buffer. Whoever reads past the end gets a Fault
// (65), and nothing is allocated for bytes that are not there.
class ByteStream {
 public:
  ByteStream(const ReadableFile& file, std::uint64_t first, std::uint64_t end, std::string origin);

  std::uint8_t byte();
  // Little-endian, `bytes` of at most 8.
  std::uint64_t number(int bytes);
  std::string text(std::uint64_t bytes);
  // Passes over as many bytes.
  void skip(std::uint64_t bytes);
  // Up to the next line feed, which is taken away. Throws Fault for more than `limit` bytes.
  std::string line(std::size_t limit);

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return end_ - position_; }
  const std::string& origin() const { return origin_; }

 private:
  void need(std::uint64_t bytes) const;
  void refill();

  const ReadableFile& file_;
  std::string origin_;
  std::uint64_t position_;
  std::uint64_t end_;
  std::vector<std::byte> buffer_;
  std::size_t at_ = 0;
};

}  // namespace lockstep
