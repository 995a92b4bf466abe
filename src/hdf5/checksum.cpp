// SPDX-License-Identifier: Apache-2.0
#include "hdf5/checksum.h"

#include <algorithm>
#include <array>
#include <bit>

namespace lockstep {

namespace {

constexpr std::size_t kBlock = 12;

struct State {
  std::uint32_t a, b, c;

  void add(std::span<const std::byte> block) {
    std::array<std::uint32_t, 3> words{};
    for (std::size_t i = 0; i < block.size(); ++i)
      words[i / 4] |= std::to_integer<std::uint32_t>(block[i]) << (8 * (i % 4));
    a += words[0];
    b += words[1];
    c += words[2];
  }
  void mix() {
    a -= c, a ^= std::rotl(c, 4), c += b;
    b -= a, b ^= std::rotl(a, 6), a += c;
    c -= b, c ^= std::rotl(b, 8), b += a;
    a -= c, a ^= std::rotl(c, 16), c += b;
    b -= a, b ^= std::rotl(a, 19), a += c;
    c -= b, c ^= std::rotl(b, 4), b += a;
  }
  void finish() {
    c ^= b, c -= std::rotl(b, 14);
    a ^= c, a -= std::rotl(c, 11);
    b ^= a, b -= std::rotl(a, 25);
    c ^= b, c -= std::rotl(b, 16);
    a ^= c, a -= std::rotl(c, 4);
    b ^= a, b -= std::rotl(a, 14);
    c ^= b, c -= std::rotl(b, 24);
  }
};

}  // namespace

std::uint32_t hdf5_checksum(std::span<const std::byte> bytes) {
  const std::uint32_t start = 0xdeadbeef + static_cast<std::uint32_t>(bytes.size());
  State state{start, start, start};
  // The last block is mixed in another way, also when it is a whole one.
  for (; bytes.size() > kBlock; bytes = bytes.subspan(kBlock)) {
    state.add(bytes.first(kBlock));
    state.mix();
  }
  if (bytes.empty()) return state.c;
  state.add(bytes);
  state.finish();
  return state.c;
}

}  // namespace lockstep
