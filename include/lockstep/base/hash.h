// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lockstep {

// An XXH3-128 value. Content addressing against accident, not against an adversary.
struct Digest {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  auto operator<=>(const Digest&) const = default;
  // 32 lower-case hex digits, most significant first (the canonical XXH128 form).
  std::string hex() const;
  // The inverse of hex(); empty for anything else.
  static std::optional<Digest> from_hex(std::string_view text);
};

Digest digest_of(std::span<const std::byte> bytes);
Digest digest_of(std::string_view text);

// The digest of a stream of pieces: equal to digest_of() of their concatenation.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  // A digest enters as its 16 canonical (big-endian) bytes.
  void update(const Digest& digest);
  // Little-endian, 8 bytes.
  void update_u64(std::uint64_t number);
  Digest digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lockstep
