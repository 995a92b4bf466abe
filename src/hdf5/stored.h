// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lockstep::hdf5 {

// What the numbers of an array of training data are in its file.
enum class Stored {
  kFloat,        // up to 4 bytes
  kDouble,       // 5 to 8 bytes
  kByte,         // uint8
  kBool,         // NumPy's and h5py's
  kInteger,      // other integers of up to 2 bytes: a float32 holds each of them
  kWideInteger,  // up to 8 bytes
};

}  // namespace lockstep::hdf5
