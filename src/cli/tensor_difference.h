// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "exchange/compare.h"

namespace lockstep {

// Local. The tensors of a checkpoint, of the newest one of a run directory, or of a weights file. Throws
// Fault (66) when there is no such thing.
std::unique_ptr<TensorSource> open_tensors(const std::string& path);

// Local. "equal", "different", "only in the first".
const char* word_for(TensorComparison::Outcome outcome);

// Local. A line that names the tensor and says how it differs.
std::string difference_line(const TensorComparison& row);

}  // namespace lockstep
