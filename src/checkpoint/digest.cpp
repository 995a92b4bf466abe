// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/digest.h"

#include <algorithm>
#include <utility>

#include "lockstep/base/error.h"

namespace lockstep {

namespace {

// Small enough that a core's cache holds a leaf, large enough that the digests of leaves cost nothing.
constexpr std::uint64_t kMinLeaf = 256 * 1024;

}  // namespace

std::uint64_t leaf_bytes(const TensorType& type) {
  const std::uint64_t bytes = byte_count(type);
  // Never a part of a row: shards are cut between leaves, and a shard holds whole rows.
  if (type.shape.empty() || bytes == 0) return bytes;
  const std::uint64_t row = bytes / static_cast<std::uint64_t>(type.shape[0]);
  return (kMinLeaf + row - 1) / row * row;
}

std::size_t leaf_count(const TensorType& type) {
  const std::uint64_t bytes = byte_count(type);
  const std::uint64_t leaf = leaf_bytes(type);
  return bytes == 0 ? 0 : (bytes + leaf - 1) / leaf;
}

TensorType rows_of(TensorType type, std::int64_t rows) {
  if (!type.shape.empty()) type.shape[0] = rows;
  return type;
}

LeafDigester::LeafDigester(const TensorType& type) : leaf_bytes_(leaf_bytes(type)), left_(byte_count(type)) {
  left_in_leaf_ = std::min(leaf_bytes_, left_);
}

void LeafDigester::end_leaf(const Digest& digest) {
  leaves_.push_back(digest);
  left_in_leaf_ = std::min(leaf_bytes_, left_);
  filled_ = 0;
}

void LeafDigester::update(std::span<const std::byte> bytes) {
  check(bytes.size() <= left_, "a tensor digest gets no more than the tensor's bytes");
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min<std::uint64_t>(bytes.size(), left_in_leaf_));
    left_in_leaf_ -= piece.size();
    left_ -= piece.size();
    bytes = bytes.subspan(piece.size());
    // A leaf that arrives whole needs no stream, which is slower.
    if (filled_ == 0 && left_in_leaf_ == 0) {
      end_leaf(digest_of(piece));
      continue;
    }
    leaf_.update(piece);
    filled_ += piece.size();
    if (left_in_leaf_ == 0) end_leaf(std::exchange(leaf_, Hasher()).digest());
  }
}

std::vector<Digest> LeafDigester::finish() {
  check(left_ == 0, "a tensor digest gets all of the tensor's bytes");
  return std::move(leaves_);
}

Digest digest_of_leaves(const TensorType& type, std::span<const Digest> leaves) {
  Hasher tree;
  // The zero ends the name, so that no name is the beginning of another one.
  tree.update(name_of(type.dtype));
  tree.update(std::string_view("\0", 1));
  tree.update_u64(type.shape.size());
  for (const std::int64_t dimension : type.shape) tree.update_u64(static_cast<std::uint64_t>(dimension));
  for (const Digest& leaf : leaves) tree.update(leaf);
  return tree.digest();
}

Digest tensor_digest(const TensorType& type, std::span<const std::byte> bytes) {
  LeafDigester digester(type);
  digester.update(bytes);
  return digest_of_leaves(type, digester.finish());
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
