// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/hash.h"

#include <gtest/gtest.h>

#include <string>

namespace lockstep {
namespace {

using std::string_literals::operator""s;

// The reference library's own values; what checkpoints of every version are compared by.
TEST(Hash, ValuesAreXxh3s) {
  EXPECT_EQ(digest_of(""s).hex(), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(digest_of("a"s).hex(), "a96faf705af16834e6c632b61e964e1f");
  EXPECT_EQ(digest_of("abc"s).hex(), "06b05ab6733a618578af5f94892f3950");
}

// Long enough for the library's wide registers, whichever this processor has; the value is the plain code's.
TEST(Hash, OfManyBytesDoesNotDependOnTheProcessor) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 31);
  EXPECT_EQ(digest_of(text).hex(), "6ea166290b8a2f1360b1c0ae31e84fef");
}

TEST(Hash, StreamOfPiecesIsTheirConcatenation) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 31);
  for (const std::size_t cut : {0u, 1u, 239u, 240u, 1024u, 4999u, 5000u}) {
    Hasher hasher;
    hasher.update(text.substr(0, cut));
    hasher.update(text.substr(cut));
    EXPECT_EQ(hasher.digest(), digest_of(text)) << "cut at " << cut;
  }
}

TEST(Hash, DigestsAndNumbersEnterByteByByte) {
  Hasher hasher;
  hasher.update(Digest{0x0102030405060708, 0x090a0b0c0d0e0f10});
  hasher.update_u64(0x11);
  EXPECT_EQ(hasher.digest(), digest_of("\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\0\0\0\0\0\0\0"s));
}

TEST(Hash, HexReadsBack) {
  for (const Digest& digest : {Digest{}, Digest{1, 2}, digest_of("x"s), Digest{~0ull, ~0ull}}) {
    EXPECT_EQ(digest.hex().size(), 32u);
    EXPECT_EQ(Digest::from_hex(digest.hex()), digest);
  }
}

TEST(Hash, OnlyThirtyTwoLowerCaseDigitsAreADigest) {
  const std::string good = digest_of("x"s).hex();
  EXPECT_FALSE(Digest::from_hex(""));
  EXPECT_FALSE(Digest::from_hex(good.substr(1)));
  EXPECT_FALSE(Digest::from_hex(good + "0"));
  EXPECT_FALSE(Digest::from_hex("0x" + good.substr(2)));
  EXPECT_FALSE(Digest::from_hex(" " + good.substr(1)));
  EXPECT_FALSE(Digest::from_hex("-" + good.substr(1)));
  EXPECT_FALSE(Digest::from_hex("g" + good.substr(1)));
  EXPECT_FALSE(Digest::from_hex("ABCDEFABCDEFABCDEFABCDEFABCDEFAB"));
}

}  // namespace
}  // namespace lockstep
