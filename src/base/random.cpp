// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/random.h"

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

// More rounds than the four that suffice for pseudo-randomness: with halves of one or two bits the early ones
// hardly mix.
constexpr std::uint64_t kRounds = 6;

std::uint64_t finalize(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace

std::uint64_t mix_key(std::initializer_list<std::uint64_t> parts) {
  std::uint64_t key = 0;
  for (const std::uint64_t part : parts) key = finalize(key + 0x9e3779b97f4a7c15u + part);
  return key;
}

Permutation::Permutation(std::uint64_t size, std::uint64_t key) : size_(size), key_(key), half_bits_(1) {
  check(size >= 1, "a permutation needs at least one element");
  while (half_bits_ < 32 && (std::uint64_t{1} << (2 * half_bits_)) < size) ++half_bits_;
}

std::uint64_t Permutation::operator()(std::uint64_t index) const {
  check(index < size_, "the index of a permutation lies below its size");
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t value = index;
  // Cycle-walking: the network permutes a power of four below 4 * size; leaving the range, follow the cycle
  // until it returns.
  do {
    std::uint64_t left = value >> half_bits_;
    std::uint64_t right = value & mask;
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      const std::uint64_t next = left ^ (mix_key({key_, round, right}) & mask);
      left = right;
      right = next;
    }
    value = (left << half_bits_) | right;
  } while (value >= size_);
  return value;
}

}  // namespace lockstep
