// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/digest.h"

#include <algorithm>

#include "checkpoint/state.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace {

// Small enough that a core's cache holds a leaf, large enough that the digests of leaves cost nothing.
constexpr std::uint64_t kMinLeaf = 256 * 1024;

std::uint64_t tensor_bytes(DType dtype, const Shape& shape) {
  std::int64_t bytes = 0;
  check(!__builtin_mul_overflow(element_count(shape), static_cast<std::int64_t>(size_of(dtype)), &bytes),
        "the bytes of a tensor fit 63 bits");
  return static_cast<std::uint64_t>(bytes);
}

}  // namespace

std::uint64_t leaf_bytes(DType dtype, const Shape& shape) {
  const std::uint64_t bytes = tensor_bytes(dtype, shape);
  // Never a part of a row: shards are cut between leaves, and a shard holds whole rows.
  if (shape.empty() || bytes == 0) return bytes;
  const std::uint64_t row = bytes / static_cast<std::uint64_t>(shape[0]);
  return (kMinLeaf + row - 1) / row * row;
}

TensorDigester::TensorDigester(DType dtype, const Shape& shape)
    : leaf_bytes_(leaf_bytes(dtype, shape)), left_(tensor_bytes(dtype, shape)) {
  left_in_leaf_ = std::min(leaf_bytes_, left_);
  // The zero ends the name, so that no name is the beginning of another one.
  tree_.update(name_of(dtype));
  tree_.update(std::string_view("\0", 1));
  tree_.update_u64(shape.size());
  for (const std::int64_t dimension : shape) tree_.update_u64(static_cast<std::uint64_t>(dimension));
}

void TensorDigester::end_leaf() {
  tree_.update(leaf_.digest());
  leaf_ = Hasher();
  left_in_leaf_ = std::min(leaf_bytes_, left_);
}

void TensorDigester::update(std::span<const std::byte> bytes) {
  check(bytes.size() <= left_, "a tensor digest gets no more than the tensor's bytes");
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min<std::uint64_t>(bytes.size(), left_in_leaf_));
    leaf_.update(piece);
    left_in_leaf_ -= piece.size();
    left_ -= piece.size();
    bytes = bytes.subspan(piece.size());
    if (left_in_leaf_ == 0) end_leaf();
  }
}

Digest TensorDigester::finish() {
  check(left_ == 0, "a tensor digest gets all of the tensor's bytes");
  return tree_.digest();
}

Digest tensor_digest(DType dtype, const Shape& shape, std::span<const std::byte> bytes) {
  TensorDigester digester(dtype, shape);
  digester.update(bytes);
  return digester.finish();
}

// Names enter as well: two tensors that swapped their values are another state.
Digest state_hash(Step step, const std::map<std::string, Digest>& digest_by_path) {
  Hasher hasher;
  for (const auto& [path, digest] : digest_by_path) {
    hasher.update(path);
    hasher.update(std::string_view("\0", 1));
    hasher.update(digest);
  }
  hasher.update_u64(static_cast<std::uint64_t>(step.value));
  return hasher.digest();
}

}  // namespace lockstep
