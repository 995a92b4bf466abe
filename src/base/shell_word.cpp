// SPDX-License-Identifier: Apache-2.0
#include "base/shell_word.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "lockstep/base/log.h"

namespace lockstep {
namespace {

bool is_plain(char c) {
  constexpr std::string_view kPlain = "_-./=,:+@%";
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || kPlain.find(c) != std::string_view::npos;
}

// In single quotes everything stands for itself but the quote.
std::string in_quotes(const std::string& word, std::string_view open, std::string_view quote) {
  std::string text(open);
  for (const char c : word) {
    if (c == '\'')
      text += quote;
    else
      text += c;
  }
  return text + "'";
}

}  // namespace

std::string shell_word(const std::string& word) {
  if (!word.empty() && std::all_of(word.begin(), word.end(), is_plain)) return word;
  if (printable(word) == word) return in_quotes(word, "'", "'\\''");
  std::string escaped;
  for (const char c : word) escaped += c == '\\' ? std::string("\\\\") : std::string(1, c);
  return in_quotes(printable(escaped), "$'", "\\'");
}

}  // namespace lockstep
