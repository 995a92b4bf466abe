// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "lockstep/base/hash.h"
#include "lockstep/base/span.h"
#include "lockstep/base/tensor_spec.h"
#include "lockstep/base/units.h"

namespace lockstep {

// Bytes of one digest leaf of a tensor: the smallest run of whole dim-0 rows that has at least 256 KiB; all
// of a 0-dim tensor. The last leaf of a tensor may be shorter. Depends on the shape of a row alone, so that a
// run of rows that begins at a leaf has the leaves of the whole. Throws Bug when the shape's bytes do not fit
// 63 bits.
std::uint64_t leaf_bytes(const TensorType& type);

// How many leaves a tensor has; none when it has no bytes.
std::size_t leaf_count(const TensorType& type);

// `rows` rows of a tensor, as one of their own; of a 0-dim tensor it is itself.
TensorType rows_of(TensorType type, std::int64_t rows);

// The digests of a tensor's leaves, of bytes that arrive in pieces of any size, in order.
class LeafDigester {
 public:
  explicit LeafDigester(const TensorType& type);

  // More than the tensor's bytes in all is a Bug.
  void update(std::span<const std::byte> bytes);
  // Once, after all bytes; fewer than the tensor has is a Bug.
  std::vector<Digest> finish();

 private:
  void end_leaf(const Digest& digest);

  std::vector<Digest> leaves_;
  Hasher leaf_;
  std::uint64_t leaf_bytes_;
  std::uint64_t left_in_leaf_;
  std::uint64_t filled_ = 0;
  std::uint64_t left_;
};

// tensor_digest() from the leaves, wherever they were made.
Digest digest_of_leaves(const TensorType& type, std::span<const Digest> leaves);

// The digest of one tensor, format 1: XXH3-128 over dtype, shape and the digests of its leaves
// (docs/checkpoint-format.md).
Digest tensor_digest(const TensorType& type, std::span<const std::byte> bytes);

// XXH3-128 over the digests of all tensors sorted by path, plus step: equal for equal training states,
// whatever the layout, the world size or the machine that wrote them.
Digest state_hash(Step step, const std::map<std::string, Digest>& digest_by_path);

}  // namespace lockstep
