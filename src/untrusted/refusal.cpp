// SPDX-License-Identifier: Apache-2.0
#include "untrusted/refusal.h"

#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {

namespace {

// A name may be 64 kB long; a message is read by people.
constexpr std::size_t kShown = 400;

}  // namespace

void refuse_bytes(const std::string& origin, std::string_view fact, std::string remedy) {
  std::string shown = printable(fact.substr(0, kShown));
  if (fact.size() > kShown) shown += "…";
  throw Fault(ExitCode::kNoValidCheckpoint, origin + ": " + shown, std::move(remedy));
}

}  // namespace lockstep
