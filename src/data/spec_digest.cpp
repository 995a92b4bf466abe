// SPDX-License-Identifier: Apache-2.0
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

void update_fields(Hasher& hasher, const BatchLayout& layout) {
  hasher.update("fields");
  hasher.update_u64(layout.fields.size());
  for (const Field& field : layout.fields) {
    hasher.update_u64(field.name.size());
    hasher.update(field.name);
    hasher.update(name_of(field.dtype));
    update_shape(hasher, field.shape);
  }
  hasher.update(layout.target);
}

}  // namespace lockstep
