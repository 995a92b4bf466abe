// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "data/mapped_file.h"

namespace lockstep {

// Little-endian integers, as they lie in files of tokens.
enum class TokenType { kUInt8, kUInt16, kUInt32, kUInt64, kInt8, kInt16, kInt32, kInt64 };

std::size_t size_of(TokenType type);
// "uint16", …
std::string_view name_of(TokenType type);
// The inverse; empty for another word.
std::optional<TokenType> token_type_from_name(std::string_view name);

// How the values of a sequence lie in a file.
struct TokenLayout {
  std::string name;  // "llm.c, GPT-2's", for people
  TokenType type = TokenType::kUInt8;
  std::size_t header = 0;  // bytes before the values; these go to the end of the file
};

// What decides how a file without a header is read.
struct TokenRules {
  std::int64_t vocab = 256;
  std::optional<TokenType> raw;  // data.token_dtype
};

// Local. The layout of a file of tokens: llm.c's (magic 20240520 version 1, uint16; 20240801 version 7,
// uint32), a NumPy array of one dimension, or raw: for a .bin that can be nothing but uint16, or any file
// where rules.raw says the type. Throws Fault (66) for everything else, and where header and length differ;
// (78) when rules.raw contradicts a header.
TokenLayout token_layout(const MappedFile& file, const TokenRules& rules);

// Local. Throws Fault (66), with file and position, for a value that is negative or not below `vocab`.
void check_tokens(const MappedFile& file, const TokenLayout& layout, std::int64_t vocab);

}  // namespace lockstep
