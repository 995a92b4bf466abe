// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace lockstep {
namespace {

// `length` bytes that spell `character`, overlong where fewer would do.
std::string spelled(std::uint32_t character, std::size_t length) {
  if (length == 1) return {static_cast<char>(character)};
  std::string text(length, '\0');
  for (std::size_t i = length; i-- > 1; character >>= 6)
    text[i] = static_cast<char>(0x80 | (character & 0x3F));
  text[0] = static_cast<char>((0xF00u >> length & 0xFF) | character);
  return text;
}

std::size_t shortest(std::uint32_t character) {
  return character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
}

TEST(Utf8, EveryCharacterIsReadAndNothingElse) {
  std::uint32_t wrong = 0;
  for (std::uint32_t character = 0; character < 0x200000; ++character) {
    const bool exists = character <= 0x10FFFF && (character < 0xD800 || character > 0xDFFF);
    const std::size_t length = shortest(character);
    const Utf8 read = first_utf8(spelled(character, length) + "x");
    wrong += exists ? read.length != length || read.character != character : read.length != 0;
  }
  EXPECT_EQ(wrong, 0u);
}

TEST(Utf8, OverlongFormsCutEndsAndStrayBytesAreNone) {
  for (const std::uint32_t character : {0x2Fu, 0x7Fu, 0x80u, 0x7FFu, 0x800u, 0xFFFFu})
    for (std::size_t length = shortest(character) + 1; length <= 4; ++length)
      EXPECT_FALSE(is_utf8(spelled(character, length))) << character << " in " << length << " bytes";
  for (const char* whole : {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) {
    const std::string text = whole;
    EXPECT_TRUE(is_utf8("a" + text + text));
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      EXPECT_FALSE(is_utf8("a" + text.substr(0, cut)));
      EXPECT_FALSE(is_utf8("a" + text.substr(cut)));
      EXPECT_FALSE(is_utf8(text.substr(0, cut) + "aaa"));
    }
  }
  EXPECT_TRUE(is_utf8(""));
  EXPECT_EQ(first_utf8("").length, 0u);
}

}  // namespace
}  // namespace lockstep
