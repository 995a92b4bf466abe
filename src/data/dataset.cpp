// SPDX-License-Identifier: Apache-2.0
#include "lockstep/data/dataset.h"

#include "data/spec_digest.h"

namespace lockstep {
namespace {

void update_shape(Hasher& hasher, const Shape& shape) {
  // The length first, or {2}, {3} and {2, 3}, {} would be the same numbers.
  hasher.update_u64(shape.size());
  for (const std::int64_t dimension : shape) hasher.update_u64(static_cast<std::uint64_t>(dimension));
}

}  // namespace

void update_spec(Hasher& hasher, const SampleSpec& spec) {
  hasher.update(name_of(spec.input_dtype));
  update_shape(hasher, spec.input_shape);
  hasher.update(name_of(spec.target_dtype));
  update_shape(hasher, spec.target_shape);
}

Digest Dataset::fingerprint() const {
  Hasher hasher;
  hasher.update_u64(static_cast<std::uint64_t>(size()));
  update_spec(hasher, spec());
  return hasher.digest();
}

std::string Dataset::place_of(std::int64_t index) const {
  return "sample " + std::to_string(index);
}

std::string Dataset::description() const {
  return std::to_string(size()) + " samples";
}

}  // namespace lockstep
