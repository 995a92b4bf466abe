// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lockstep {

// One plain scalar as a typed value; empty when it is not one. Stricter than YAML 1.1 on purpose: only true
// and false are booleans (never yes, no, on, off), numbers are decimal without underscores or leading zeros,
// and nothing is rounded silently.
std::optional<bool> read_bool(const std::string& text);
std::optional<std::int64_t> read_int(const std::string& text);
std::optional<std::uint64_t> read_uint(const std::string& text);
// Finite only.
std::optional<double> read_real(const std::string& text);

// "1e999", "0x10", "12": starts like a number, whether or not it fits one.
bool looks_like_number(const std::string& text);

// ".nan", "inf", "-Infinity", …
bool names_non_finite(const std::string& text);

}  // namespace lockstep
