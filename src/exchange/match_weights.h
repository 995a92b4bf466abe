// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "exchange/weight_names.h"
#include "exchange/weights.h"
#include "exchange/weights_fit.h"

namespace lockstep {

// Which tensor of a source goes into which place.
struct WeightsMatch {
  std::vector<const WeightsTensor*> from;  // for each place; null where it keeps its values
  std::vector<std::string> skipped;        // first names of those that rules.skip names
  std::vector<std::string> idle_skips;     // of rules.skip: what names no tensor of model or file
  std::vector<std::string> said;           // what was done without being asked for, a sentence each
};

// Local. The one way in which names, shapes, dtypes, tied tensors and skips of weights are matched. Tied are:
// names of the same bytes, an alias the file tells of, and copies, whose bits are compared. Counters of
// batches that a file from before PyTorch 0.4.1 lacks keep their values. Throws Fault: 78 naming the tensor
// that is missing, left over, of another shape or dtype, transposed or not equal to its copy; 65 for one that
// is wanted and cannot be read. The result points into source.tensors().
WeightsMatch match_weights(const std::vector<WeightsPlace>& places, const WeightsSource& source,
                           const NameRules& rules, Conversion conversion);

}  // namespace lockstep
