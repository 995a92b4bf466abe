// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "parallel/arena.h"

namespace lockstep {

// How often LibTorch has seen each parameter changed in place, by whoever had it in hand; optimizers of
// Lockstep's own work on the flat tensor and do not count. Local.
class ParameterVersions {
 public:
  // As they are now.
  void note(const ModelArena& arena);
  // The first parameter that was changed since; empty: none was, or nothing is noted.
  std::string changed(const ModelArena& arena) const;

 private:
  std::vector<std::uint32_t> versions_;
};

}  // namespace lockstep
