// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "fuzz/entries.h"
#include "lockstep/base/random.h"

namespace lockstep {
namespace {

constexpr std::uint64_t kMutants = 2000;
constexpr std::uint64_t kSeed = 20;

Bytes fixture(const std::string& name) {
  std::ifstream in(std::string(LOCKSTEP_SOURCE_DIR) + "/tests/exchange/data/" + name, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// One to four changes: a bit, a byte, a cut, or a run copied elsewhere.
Bytes mutant_of(const Bytes& original, std::uint64_t number, std::uint64_t salt) {
  std::uint64_t draws = 0;
  const auto below = [&](std::uint64_t limit) { return mix_key({kSeed, salt, number, draws++}) % limit; };
  Bytes bytes = original;
  for (std::uint64_t change = 0; change <= below(4) && !bytes.empty(); ++change) {
    const std::size_t at = below(bytes.size());
    switch (below(8)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        std::copy_n(bytes.begin(), std::min<std::size_t>(bytes.size() - at, below(16)),
                    bytes.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      case 2:
        bytes[at] = std::byte(0xFF);
        break;
      case 3:
        bytes[at] = std::byte(below(256));
        break;
      default:
        bytes[at] ^= std::byte(1u << below(8));
    }
  }
  return bytes;
}

struct Count {
  std::uint64_t refused = 0;
  std::uint64_t equal = 0;
  std::uint64_t different = 0;
};

template <class Read>
Count mutate(const Bytes& original, std::uint64_t salt, Read read) {
  const auto expected = read(original);
  EXPECT_TRUE(expected.has_value());
  Count count;
  for (std::uint64_t number = 0; number < kMutants; ++number) {
    const auto found = read(mutant_of(original, number, salt));
    if (!found)
      ++count.refused;
    else if (*found == *expected)
      ++count.equal;
    else
      ++count.different;
  }
  return count;
}

// torch.save keeps checksums: no change goes unnoticed but one of bytes that mean nothing.
TEST(Mutants, OfAZipFileAreRefusedOrEqual) {
  for (const std::string name : {"all.pth", "adamw.pth"}) {
    const Count count = mutate(fixture(name), 1, fuzz_pth);
    EXPECT_EQ(count.different, 0u) << name;
    EXPECT_GT(count.refused, kMutants / 4) << name;
    EXPECT_GT(count.equal, 0u) << name;
  }
}

// These formats have none: a changed byte of a tensor is a changed tensor. What matters is that nothing else
// happens.
TEST(Mutants, OfALegacyFileDoNoHarm) {
  for (const std::string name : {"all.legacy.pth", "adamw.legacy.pth"}) {
    const Count count = mutate(fixture(name), 2, fuzz_pth);
    EXPECT_GT(count.refused, kMutants / 4) << name;
    EXPECT_EQ(count.refused + count.equal + count.different, kMutants);
  }
}

TEST(Mutants, OfSafetensorsDoNoHarm) {
  const Count count = mutate(fixture("all.safetensors"), 3, fuzz_safetensors);
  EXPECT_GT(count.refused, kMutants / 4);
  EXPECT_EQ(count.refused + count.equal + count.different, kMutants);
}

TEST(Mutants, OfAnIndexDoNoHarm) {
  Bytes shard = fixture("model-00001-of-00002.safetensors");
  const std::string text =
      R"({"metadata":{"total_size":0},"weight_map":{"dtype.bool":"a","dtype.uint8":"a","dtype.int8":"a",)"
      R"("dtype.int16":"a","dtype.int32":"a","dtype.int64":"a","dtype.float16":"a","dtype.bfloat16":"a",)"
      R"("dtype.float32":"a"}})";
  const auto bytes = std::as_bytes(std::span(text));
  const Count count = mutate(Bytes(bytes.begin(), bytes.end()), 4,
                             [&](const Bytes& index) { return fuzz_safetensors_index(index, shard); });
  EXPECT_EQ(count.different, 0u);
  EXPECT_GT(count.refused, kMutants / 2);
}

}  // namespace
}  // namespace lockstep
