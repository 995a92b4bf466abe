// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/error.h"

#include <fmt/format.h>

namespace lockstep {
namespace {
std::string joined(const std::string& fact, const std::string& remedy) {
  if (remedy.empty()) return fact;
  // A fact can end with what somebody else said, full stop and line break included.
  const auto end = fact.find_last_not_of(". \n\r\t");
  if (end == std::string::npos) return remedy;
  const bool ends_a_sentence = fact[end] == '!' || fact[end] == '?';
  return fact.substr(0, end + 1) + (ends_a_sentence ? " " : ". ") + remedy;
}
}  // namespace

Fault::Fault(ExitCode code, std::string fact, std::string remedy)
    : std::runtime_error(joined(fact, remedy)),
      code_(code),
      fact_(std::move(fact)),
      remedy_(std::move(remedy)) {}

void raise_bug(std::string_view claim, std::source_location where) {
  throw Bug(fmt::format("{}:{}: {}: this must hold: {}", where.file_name(), where.line(),
                        where.function_name(), claim));
}

}  // namespace lockstep
