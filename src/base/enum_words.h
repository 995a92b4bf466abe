// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

// The words that configs and people use for the values of an enum, in the order of the values. An enum that
// has them specialises this beside itself: static constexpr std::array<std::string_view, n> words.
template <class Enum>
struct EnumWords;

template <class Enum>
concept HasWords = requires {
  EnumWords<Enum>::words;
};

// Local.
template <HasWords Enum>
std::string word_of(Enum value) {
  return std::string(EnumWords<Enum>::words.at(static_cast<std::size_t>(value)));
}

// Local. Empty for a word that stands for none.
template <HasWords Enum>
std::optional<Enum> from_word(std::string_view word) {
  for (std::size_t i = 0; i < EnumWords<Enum>::words.size(); ++i)
    if (EnumWords<Enum>::words[i] == word) return static_cast<Enum>(i);
  return std::nullopt;
}

}  // namespace lockstep
