// SPDX-License-Identifier: Apache-2.0
#include "untrusted/byte_stream.h"

#include <algorithm>

#include "untrusted/refusal.h"

namespace lockstep {

namespace {
constexpr std::uint64_t kBuffer = 64 * 1024;
}

ByteStream::ByteStream(const ReadableFile& file, std::uint64_t first, std::uint64_t end, std::string origin)
    : file_(file), origin_(std::move(origin)), position_(std::min(first, end)), end_(end) {}

void ByteStream::need(std::uint64_t bytes) const {
  if (bytes > remaining())
    refuse_bytes(origin_, "it ends in the middle: " + std::to_string(bytes) + " bytes are wanted where " +
                              std::to_string(remaining()) + " are left");
}

void ByteStream::refill() {
  buffer_.resize(static_cast<std::size_t>(std::min(kBuffer, remaining())));
  file_.read_at(position_, buffer_);
  at_ = 0;
}

std::uint8_t ByteStream::byte() {
  need(1);
  if (at_ == buffer_.size()) refill();
  ++position_;
  return static_cast<std::uint8_t>(buffer_[at_++]);
}

std::uint64_t ByteStream::number(int bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= static_cast<std::uint64_t>(byte()) << (8 * i);
  return value;
}

std::string ByteStream::text(std::uint64_t bytes) {
  need(bytes);
  std::string out;
  out.reserve(bytes);
  while (out.size() < bytes) {
    if (at_ == buffer_.size()) refill();
    const std::size_t piece = std::min<std::size_t>(bytes - out.size(), buffer_.size() - at_);
    out.append(reinterpret_cast<const char*>(buffer_.data()) + at_, piece);
    at_ += piece;
    position_ += piece;
  }
  return out;
}

void ByteStream::skip(std::uint64_t bytes) {
  need(bytes);
  const std::uint64_t held = std::min<std::uint64_t>(bytes, buffer_.size() - at_);
  at_ += static_cast<std::size_t>(held);
  position_ += bytes;
  if (held < bytes) at_ = buffer_.size();
}

std::string ByteStream::line(std::size_t limit) {
  std::string out;
  for (char c = static_cast<char>(byte()); c != '\n'; c = static_cast<char>(byte())) {
    out.push_back(c);
    if (out.size() > limit) refuse_bytes(origin_, "a name of more than " + std::to_string(limit) + " bytes");
  }
  return out;
}

}  // namespace lockstep
