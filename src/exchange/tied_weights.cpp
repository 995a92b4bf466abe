// SPDX-License-Identifier: Apache-2.0
#include "exchange/tied_weights.h"

#include <algorithm>

namespace lockstep {

const std::string& TiedWeights::root_of(const WeightsTensor& tensor) {
  return tensor.alias_of.empty() ? tensor.key.name : tensor.alias_of;
}

bool TiedWeights::are_one(const WeightsTensor& one, const WeightsTensor& other) const {
  if (root_of(one) == root_of(other)) return true;
  if (one.dtype != other.dtype || one.shape != other.shape || !other.obstacle.empty()) return false;
  return bytes_of(one) == bytes_of(other);
}

const WeightsTensor* TiedWeights::twin_of(const WeightsTensor& tensor,
                                          const std::set<const WeightsTensor*>& others) const {
  if (tensor.shape.size() < 2 || !tensor.obstacle.empty()) return nullptr;
  std::vector<std::byte> bytes;
  for (const WeightsTensor* other : others) {
    if (other->shape != tensor.shape || other->dtype != tensor.dtype) continue;
    if (bytes.empty()) bytes = bytes_of(tensor);
    const auto step = static_cast<std::ptrdiff_t>(size_of(tensor.dtype));
    const bool one_number = std::equal(bytes.begin() + std::min<std::ptrdiff_t>(step, std::ssize(bytes)),
                                       bytes.end(), bytes.begin());
    if (!one_number && bytes_of(*other) == bytes) return other;
  }
  return nullptr;
}

std::vector<std::byte> TiedWeights::bytes_of(const WeightsTensor& tensor) const {
  std::vector<std::byte> bytes(static_cast<std::size_t>(element_count(tensor.shape)) * size_of(tensor.dtype));
  source_.read(tensor.key.name, bytes);
  return bytes;
}

}  // namespace lockstep
