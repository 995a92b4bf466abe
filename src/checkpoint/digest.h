// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lockstep/base/hash.h"
#include "lockstep/base/span.h"

namespace lockstep {

// Bytes of one digest leaf of a tensor: the smallest run of whole dim-0 rows that has at least 256 KiB; all
// of a 0-dim tensor. The last leaf of a tensor may be shorter. Throws Bug when the shape's bytes do not fit
// 63 bits.
std::uint64_t leaf_bytes(DType dtype, const Shape& shape);

// tensor_digest() of bytes that arrive in pieces of any size, in order.
class TensorDigester {
 public:
  TensorDigester(DType dtype, const Shape& shape);

  // More than the tensor's bytes in all is a Bug.
  void update(std::span<const std::byte> bytes);
  // Once, after all bytes; fewer than the tensor has is a Bug.
  Digest finish();

 private:
  void end_leaf();

  Hasher tree_;
  Hasher leaf_;
  std::uint64_t leaf_bytes_;
  std::uint64_t left_in_leaf_;
  std::uint64_t left_;
};

}  // namespace lockstep
