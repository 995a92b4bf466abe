// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lockstep/data/sample.h"

namespace lockstep {

// [channels, height, width] of bytes or floats: what data.normalize (where inputs have names) and
// data.augment are for.
inline bool is_image(const Field& field) {
  const bool pixels = field.dtype == DType::kUInt8 || is_floating(field.dtype);
  return pixels && field.shape.size() == 3 && !field.varies();
}

}  // namespace lockstep
