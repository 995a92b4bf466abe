// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "lockstep/cli/application.h"
#include "train/adopt_checkpoint.h"

namespace lockstep {

struct CheckpointImport {
  std::string file;    // of torch.save's
  std::string config;  // of the run that is to go on from it
  std::vector<std::string> overrides;
  StateDictKeys keys;
  std::string output;  // the checkpoint directory to make
  PlaceKeys place;
  NameRules names;
};

struct ImportedCheckpoint {
  AdoptedCheckpoint from;
  Step step{0};
  Epoch epoch{0};
  Digest state_hash;
};

// Local. Makes a checkpoint of Lockstep's out of one that a Python loop saved: the config's model and
// optimizer with the file's tensors. The step is the file's (read_place), else it follows from its epoch,
// which is complete, and the training data's size. `output` appears whole and durable, or not at all. Throws
// Fault: 64 when it exists or claims another step, 65 for a file that is refused or does not say where it is,
// 66, 74, 78 for one that does not fit the config.
ImportedCheckpoint import_checkpoint(const CheckpointImport& import, const Registries& registries);

}  // namespace lockstep
