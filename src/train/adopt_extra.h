// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <vector>

#include "exchange/formats/foreign_file.h"

namespace lockstep {

// What a file of Python's says of a training beside its tensors and numbers: the scale of its losses
// (torch.amp.GradScaler's state, under whatever key), and where Lockstep exported it what a checkpoint's
// `extra` had: loss scale, the losses that on_spike compares with, the record of steps left out.
struct AdoptedExtra {
  std::string record = "{}";             // for the record of a checkpoint
  std::set<std::string> keys;            // of the file, that are all used
  std::vector<std::string> said;         // what was taken, a sentence each
  std::vector<std::string> differences;  // from how Lockstep goes on, a sentence each
  std::vector<std::string> unused;       // members of the file's `extra`
};

// Local. `precision` is the config's train.precision: a scale is taken for fp16 alone. Throws Fault (65) for
// values that cannot be.
AdoptedExtra adopt_extra(const ForeignFile& file, const std::string& precision, const std::string& origin);

}  // namespace lockstep
