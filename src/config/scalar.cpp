// SPDX-License-Identifier: Apache-2.0
#include "config/scalar.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <string_view>

namespace lockstep {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// 010 is eight to YAML 1.1 and ten to everybody else.
bool has_leading_zero(std::string_view digits) {
  return digits.size() > 1 && digits[0] == '0' && is_digit(digits[1]);
}

template <class Number>
std::optional<Number> read_whole(const std::string& text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const bool negative = digits.starts_with('-');
  const std::string_view magnitude = negative ? digits.substr(1) : digits;
  if (magnitude.empty() || !is_digit(magnitude[0]) || has_leading_zero(magnitude)) return std::nullopt;
  Number number{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

}  // namespace

std::optional<bool> read_bool(const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

std::optional<std::int64_t> read_int(const std::string& text) {
  return read_whole<std::int64_t>(text);
}

std::optional<std::uint64_t> read_uint(const std::string& text) {
  return read_whole<std::uint64_t>(text);
}

std::optional<double> read_real(const std::string& text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const std::string_view magnitude = digits.starts_with('-') ? digits.substr(1) : digits;
  if (magnitude.empty() || !(is_digit(magnitude[0]) || magnitude[0] == '.') || has_leading_zero(magnitude))
    return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size() || !std::isfinite(number))
    return std::nullopt;
  return number;
}

bool looks_like_number(const std::string& text) {
  std::string_view rest = text;
  if (rest.starts_with('+') || rest.starts_with('-')) rest.remove_prefix(1);
  if (rest.starts_with('.')) rest.remove_prefix(1);
  return (!rest.empty() && is_digit(rest[0])) || names_non_finite(text);
}

bool names_non_finite(const std::string& text) {
  std::string word = text;
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  if (word.starts_with('+') || word.starts_with('-')) word.erase(0, 1);
  if (word.starts_with('.')) word.erase(0, 1);
  return word == "nan" || word == "inf" || word == "infinity";
}

}  // namespace lockstep
