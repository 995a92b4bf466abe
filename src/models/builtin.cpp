// SPDX-License-Identifier: Apache-2.0
#include "models/builtin.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"

namespace lockstep {

void require_positive(const char* key, std::int64_t value) {
  if (value >= 1) return;
  throw Fault{ExitCode::kConfig, fmt::format("model.{} is {}", key, value), "it must be at least 1"};
}

void require_probability(double dropout) {
  if (dropout >= 0.0 && dropout < 1.0) return;
  throw Fault{ExitCode::kConfig, fmt::format("model.dropout is {}", dropout), "it must be in [0, 1)"};
}

}  // namespace lockstep
