// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exchange/formats/state_dict.h"
#include "exchange/weight_names.h"
#include "lockstep/base/disk.h"

namespace lockstep {

struct ImportOptions {
  StateDictKeys keys;
  NameRules names;
};

struct ImportReport {
  std::string model_key;              // where the model was found; empty: the file is the state_dict
  std::vector<std::string> said;      // what was done to names without being asked for, a sentence each
  std::size_t tensors = 0;            // of the model, by name
  std::size_t optimizer_tensors = 0;  // go to /optimizer/<slot>/<number of the parameter>
  std::uint64_t bytes = 0;            // of the file
  std::vector<std::string> left_out;  // names in the state_dict that are no tensors
};

// Local. Writes the weights of a .pth, .safetensors or HDF5 file, of any model, as a weights file. Tensors
// that share their bytes share them again. Holds the model in memory meanwhile, never more than four times
// the file. `to` appears whole and durable, or not at all. Throws Fault: 64 when `to` exists, 65 for a file
// that is refused, 66 when it is not there, 74.
ImportReport import_weights(Disk& disk, const std::string& from, const ImportOptions& options,
                            const std::string& to);

}  // namespace lockstep
