// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lockstep/base/span.h"
#include "lockstep/base/tensor_spec.h"

namespace lockstep {

// A tensor on its way into a file for Python. Its bytes are asked for when their turn comes, so that only one
// tensor need be in memory.
struct OutgoingTensor : TensorSpec {
  std::function<void(std::span<std::byte>)> fill;

  std::vector<std::byte> content() const {
    std::vector<std::byte> out(byte_count(*this));
    if (!out.empty()) fill(out);
    return out;
  }
};

}  // namespace lockstep
