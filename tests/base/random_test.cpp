// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

std::vector<std::uint64_t> images_of(std::uint64_t size, std::uint64_t key) {
  const Permutation order(size, key);
  std::vector<std::uint64_t> images;
  for (std::uint64_t i = 0; i < size; ++i) images.push_back(order(i));
  return images;
}

TEST(Random, PermutationIsABijectionAtEverySize) {
  for (std::uint64_t size = 1; size <= 300; ++size) {
    std::vector<std::uint64_t> images = images_of(size, size * 7919);
    std::sort(images.begin(), images.end());
    for (std::uint64_t i = 0; i < size; ++i) ASSERT_EQ(images[i], i) << "size " << size;
  }
}

TEST(Random, PermutationIsABijectionAtOneMillion) {
  constexpr std::uint64_t kSize = 1'000'003;
  const Permutation order(kSize, 42);
  std::vector<bool> seen(kSize);
  for (std::uint64_t i = 0; i < kSize; ++i) {
    const std::uint64_t image = order(i);
    ASSERT_LT(image, kSize);
    ASSERT_FALSE(seen[image]);
    seen[image] = true;
  }
}

TEST(Random, PermutationStaysInRangeAtHugeSizes) {
  constexpr std::uint64_t kSize = (std::uint64_t{1} << 62) + 12345;
  const Permutation order(kSize, 1);
  std::set<std::uint64_t> images;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    EXPECT_LT(order(kSize - 1 - i), kSize);
    images.insert(order(kSize - 1 - i));
  }
  EXPECT_EQ(images.size(), 1000u);
}

TEST(Random, AnotherKeyIsAnotherOrder) {
  EXPECT_NE(images_of(100, 1), images_of(100, 2));
  EXPECT_EQ(images_of(100, 1), images_of(100, 1));
}

TEST(Random, PositionsAreSpreadEvenly) {
  // Where position 0 goes under 10,000 keys: each of 10 places about 1000 times (6 sigma are 180).
  std::vector<int> counts(10);
  for (std::uint64_t key = 0; key < 10'000; ++key) ++counts[Permutation(10, mix_key({key}))(0)];
  for (const int count : counts) EXPECT_NEAR(count, 1000, 180);
}

TEST(Random, IndexOutsideThePermutationIsABug) {
  EXPECT_THROW(Permutation(0, 1), Bug);
  EXPECT_THROW(Permutation(5, 1)(5), Bug);
}

TEST(Random, KeyDependsOnOrderAndNumberOfParts) {
  EXPECT_NE(mix_key({1, 2}), mix_key({2, 1}));
  EXPECT_NE(mix_key({1}), mix_key({1, 0}));
  EXPECT_NE(mix_key({0}), mix_key({0, 0}));
}

// Checkpoints of every version count on these: a change would train on other samples after a resume.
TEST(Random, ValuesAreTheStoredOnes) {
  EXPECT_EQ(mix_key({}), 0u);
  EXPECT_EQ(mix_key({0}), 0xe220a8397b1dcdafu);  // the first output of SplitMix64 with seed 0
  EXPECT_EQ(mix_key({1, 2, 3}), 0x6ae515c1c0ac7e37u);
  EXPECT_EQ(images_of(10, 7), (std::vector<std::uint64_t>{0, 7, 4, 1, 9, 2, 3, 6, 5, 8}));
  EXPECT_EQ(Permutation(1'000'000, 123)(456'789), 24192u);
}

}  // namespace
}  // namespace lockstep
