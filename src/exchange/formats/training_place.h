// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "exchange/formats/foreign_file.h"

namespace lockstep {

// Under which keys a file says how far its training was; empty: the usual ones are looked for.
struct PlaceKeys {
  std::string step;
  std::string epoch;
};

struct TrainingPlace {
  std::optional<std::int64_t> epoch;  // that is complete
  std::optional<std::int64_t> step;   // updates that are done
  std::string step_key;
  std::string epoch_key;
};

// Local. `step`, `global_step` (Lightning) or `iter_num` (nanoGPT), and `epoch`: whole numbers, floats
// without fraction, tensors of one element. The `epoch` of Lightning's files, which have optimizer_states,
// does not say whether it is complete: it is taken where it is asked for only. Throws Fault (65) for a key
// that was asked for and is not there, and for a value that is no whole number.
TrainingPlace read_place(const ForeignFile& file, const PlaceKeys& keys, const std::string& origin);

}  // namespace lockstep
