// SPDX-License-Identifier: Apache-2.0
#include "data/formats/token_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "data/foreign_file.h"
#include "data/formats/npy_dictionary.h"
#include "data/formats/npy_header.h"
#include "data/refuse.h"

namespace lockstep {
namespace {

static_assert(std::endian::native == std::endian::little, "token files are read as they lie");

constexpr std::pair<TokenType, std::string_view> kNames[] = {
    {TokenType::kUInt8, "uint8"},   {TokenType::kUInt16, "uint16"}, {TokenType::kUInt32, "uint32"},
    {TokenType::kUInt64, "uint64"}, {TokenType::kInt8, "int8"},     {TokenType::kInt16, "int16"},
    {TokenType::kInt32, "int32"},   {TokenType::kInt64, "int64"}};

// llm.c's files: 256 int32, of which [0] is a magic, [1] the version and [2] the number of tokens.
struct LlmcKind {
  std::uint32_t magic;
  std::int32_t version;
  TokenType type;
  const char* name;
};
constexpr LlmcKind kLlmc[] = {{20240520, 1, TokenType::kUInt16, "llm.c for GPT-2, uint16"},
                              {20240801, 7, TokenType::kUInt32, "llm.c for Llama 3, uint32"}};
constexpr std::size_t kLlmcHeader = 256 * sizeof(std::int32_t);
constexpr const char* kCutOff = "Write the file again; it may have been cut off while copied.";
constexpr const char* kSayType =
    "Say what it holds with data.token_dtype (uint16, uint32, int32, int64), or write it with a header: "
    "llm.c's, "
    "or numpy.save.";

std::array<std::int32_t, 3> first_numbers(const MappedFile& file) {
  std::array<std::int32_t, 3> numbers{};
  if (!file.bytes().empty())
    std::memcpy(numbers.data(), file.bytes().data(), std::min(sizeof numbers, file.bytes().size()));
  return numbers;
}

TokenLayout llmc_layout(const MappedFile& file, const LlmcKind& kind) {
  const std::size_t size = file.bytes().size();
  if (size < kLlmcHeader)
    refuse_data_file(file.path(), fmt::format("has {} bytes, expected a header of {}", size, kLlmcHeader),
                     kCutOff);
  const auto numbers = first_numbers(file);
  if (numbers[1] != kind.version)
    refuse_data_file(file.path(), fmt::format("token file version {}, expected {}", numbers[1], kind.version),
                     fmt::format("Write the file as {}, version {}.", kind.name, kind.version));
  const std::size_t payload = size - kLlmcHeader;
  const std::int64_t promised = std::int64_t{numbers[2]} * static_cast<std::int64_t>(size_of(kind.type));
  if (numbers[2] < 0 || static_cast<std::size_t>(promised) != payload)
    refuse_data_file(file.path(),
                     fmt::format("the header promises {} tokens, {} bytes follow, expected {}", numbers[2],
                                 payload, promised),
                     kCutOff);
  return {kind.name, kind.type, kLlmcHeader};
}

// The layout that a header says; empty for a file without a header we know.
std::optional<TokenLayout> headed_layout(const MappedFile& file) {
  const auto first = static_cast<std::uint32_t>(first_numbers(file)[0]);
  for (const LlmcKind& kind : kLlmc) {
    if (first == kind.magic) return llmc_layout(file, kind);
    if (__builtin_bswap32(first) == kind.magic)
      refuse_data_file(file.path(), fmt::format("{}, in big-endian byte order", kind.name),
                       "Write it little-endian, as llm.c's scripts do on usual machines.");
  }
  if (is_npy(file.bytes())) return npy_layout(file);
  return std::nullopt;
}

// llm.c dates its magics: its models and tokenizers are .bin files too.
bool is_dated(const MappedFile& file) {
  const std::int32_t first = first_numbers(file)[0];
  return first >= 20230101 && first <= 20291231 && file.bytes().size() >= kLlmcHeader;
}

// What wider numbers look like when they are read as uint16: only the lowest part of each varies.
std::optional<TokenType> wider_type(const MappedFile& file, std::int64_t vocab) {
  constexpr std::size_t kLook = std::size_t{1} << 20;
  constexpr std::size_t kFewest = 8;  // numbers, fewer are a matter of chance
  const std::size_t size = std::min(file.bytes().size(), kLook);
  std::vector<std::uint16_t> parts(size / 2);
  if (!parts.empty()) std::memcpy(parts.data(), file.bytes().data(), parts.size() * 2);
  const auto largest_at = [&](std::size_t place) {
    std::uint16_t largest = 0;
    for (std::size_t i = place; i < parts.size(); i += 4) largest = std::max(largest, parts[i]);
    return largest;
  };
  const std::uint16_t lowest = largest_at(0), second = largest_at(1), third = largest_at(2);
  const auto high = static_cast<std::uint64_t>(vocab - 1) >> 16;
  if (lowest == 0 || second > high || largest_at(3) > high) return std::nullopt;
  const bool eight = third == 0 && largest_at(3) == 0;
  if (eight && file.bytes().size() % 8 == 0 && parts.size() >= 4 * kFewest) return TokenType::kInt64;
  if (file.bytes().size() % 4 == 0 && parts.size() >= 2 * kFewest) return TokenType::kUInt32;
  return std::nullopt;
}

void refuse_other_kinds(const MappedFile& file, bool of_bytes) {
  if (const std::string_view kind = foreign_kind(file); !kind.empty())
    refuse_data_file(file.path(), fmt::format("is {}, not a file of tokens", kind),
                     "Write the tokens with numpy.save, or as raw little-endian numbers.");
  if (!of_bytes && looks_like_text(file))
    refuse_data_file(file.path(), "is text, not a file of tokens",
                     "Train on it as bytes with data.type: text.");
  if (file.bytes().empty())
    refuse_data_file(file.path(), "is empty", "Write it again, or take it out of the data.");
}

// A file without a header, where nothing in the config says what it holds.
TokenLayout guessed_layout(const MappedFile& file, const TokenRules& rules) {
  const std::size_t size = file.bytes().size();
  refuse_other_kinds(file, /*of_bytes=*/false);
  if (is_dated(file))
    refuse_data_file(file.path(),
                     fmt::format("starts with {}: llm.c's, but not a file of tokens that Lockstep knows",
                                 first_numbers(file)[0]),
                     "Known are 20240520 (GPT-2, uint16) and 20240801 (Llama 3, uint32).");
  if (std::filesystem::path(file.path()).extension() != ".bin")
    refuse_data_file(file.path(), "has no header, and only a .bin is taken for raw uint16 tokens", kSayType);
  if (rules.vocab > 65536)
    refuse_data_file(file.path(),
                     fmt::format("has no header, and a vocabulary of {} does not fit uint16", rules.vocab),
                     kSayType);
  if (size % sizeof(std::uint16_t) != 0)
    refuse_data_file(file.path(), fmt::format("has {} bytes, expected whole uint16 tokens", size), kCutOff);
  if (const auto wider = wider_type(file, rules.vocab))
    refuse_data_file(file.path(), fmt::format("has no header and looks like {}, not uint16", name_of(*wider)),
                     fmt::format("Say so: data.token_dtype={} (or uint16, if it is).", name_of(*wider)));
  return {"raw uint16", TokenType::kUInt16, 0};
}

template <class Value>
void check_values(const MappedFile& file, std::size_t header, std::int64_t vocab) {
  // Blocks of a constant size, copied: a header may leave the values at any address, and the compiler turns
  // the loop into vector instructions.
  constexpr std::size_t kBlock = 4096;
  std::array<Value, kBlock> block;
  const auto payload = file.bytes().subspan(header);
  const std::size_t count = payload.size() / sizeof(Value);
  for (std::size_t start = 0; start < count; start += kBlock) {
    const std::size_t here = std::min(kBlock, count - start);
    std::memcpy(block.data(), payload.data() + start * sizeof(Value), here * sizeof(Value));
    std::fill(block.begin() + static_cast<std::ptrdiff_t>(here), block.end(), block[0]);
    Value smallest = block[0], largest = block[0];
    for (std::size_t i = 0; i < kBlock; ++i) {
      smallest = std::min(smallest, block[i]);
      largest = std::max(largest, block[i]);
    }
    if (std::cmp_greater_equal(smallest, 0) && std::cmp_less(largest, vocab)) continue;
    const auto bad = std::find_if(block.begin(), block.end(), [&](Value value) {
      return std::cmp_less(value, 0) || std::cmp_greater_equal(value, vocab);
    });
    refuse_data_file(file.path(),
                     fmt::format("value {} at position {} is not below the vocabulary of {}", *bad,
                                 start + static_cast<std::size_t>(bad - block.begin()), vocab),
                     "Raise model.vocab, use the data the model is meant for, or see data.token_dtype.");
  }
}

}  // namespace

std::size_t size_of(TokenType type) {
  switch (type) {
    case TokenType::kUInt8:
    case TokenType::kInt8:
      return 1;
    case TokenType::kUInt16:
    case TokenType::kInt16:
      return 2;
    case TokenType::kUInt32:
    case TokenType::kInt32:
      return 4;
    default:
      return 8;
  }
}

std::string_view name_of(TokenType type) {
  for (const auto& [known, name] : kNames)
    if (known == type) return name;
  return {};
}

std::optional<TokenType> token_type_from_name(std::string_view name) {
  for (const auto& [type, known] : kNames)
    if (known == name) return type;
  return std::nullopt;
}

TokenLayout token_layout(const MappedFile& file, const TokenRules& rules) {
  const auto headed = headed_layout(file);
  if (headed && rules.raw && headed->type != *rules.raw)
    refuse_option(fmt::format("data.token_dtype is {}, and the header of {} says {}", name_of(*rules.raw),
                              file.path(), name_of(headed->type)),
                  "Leave data.token_dtype out: it is for files without a header.");
  if (headed) return *headed;
  if (!rules.raw) return guessed_layout(file, rules);
  const std::size_t size = file.bytes().size();
  refuse_other_kinds(file, /*of_bytes=*/size_of(*rules.raw) == 1);
  if (size % size_of(*rules.raw) != 0)
    refuse_data_file(file.path(),
                     fmt::format("has {} bytes, expected whole {} tokens", size, name_of(*rules.raw)),
                     kCutOff);
  return {fmt::format("raw {}", name_of(*rules.raw)), *rules.raw, 0};
}

void check_tokens(const MappedFile& file, const TokenLayout& layout, std::int64_t vocab) {
  switch (layout.type) {
    case TokenType::kUInt8:
      return check_values<std::uint8_t>(file, layout.header, vocab);
    case TokenType::kUInt16:
      return check_values<std::uint16_t>(file, layout.header, vocab);
    case TokenType::kUInt32:
      return check_values<std::uint32_t>(file, layout.header, vocab);
    case TokenType::kUInt64:
      return check_values<std::uint64_t>(file, layout.header, vocab);
    case TokenType::kInt8:
      return check_values<std::int8_t>(file, layout.header, vocab);
    case TokenType::kInt16:
      return check_values<std::int16_t>(file, layout.header, vocab);
    case TokenType::kInt32:
      return check_values<std::int32_t>(file, layout.header, vocab);
    case TokenType::kInt64:
      return check_values<std::int64_t>(file, layout.header, vocab);
  }
}

}  // namespace lockstep
