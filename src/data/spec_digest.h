// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "data/batch_layout.h"
#include "lockstep/base/hash.h"
#include "lockstep/data/dataset.h"

namespace lockstep {

// Local. Dtypes and shapes, in an order that never changes: fingerprints are kept in checkpoints.
void update_spec(Hasher& hasher, const SampleSpec& spec);
// The same of named fields.
void update_fields(Hasher& hasher, const BatchLayout& layout);

}  // namespace lockstep
