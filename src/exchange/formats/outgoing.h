// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lockstep/base/span.h"

namespace lockstep {

// A tensor on its way into a file for Python. Its bytes are asked for when their turn comes, so that only one
// tensor need be in memory.
struct OutgoingTensor {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;
  std::function<void(std::span<std::byte>)> fill;

  std::uint64_t bytes() const { return byte_count(dtype, shape); }
  std::vector<std::byte> content() const {
    std::vector<std::byte> out(bytes());
    if (!out.empty()) fill(out);
    return out;
  }
};

}  // namespace lockstep
