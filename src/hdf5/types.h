// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "hdf5/handle.h"
#include "lockstep/base/dtype.h"

namespace lockstep {

// The HDF5 type an element is stored as: little-endian numbers; float16, bfloat16 and the 8-bit floats as
// HDF5 floats of that bit layout; bool as the enumeration FALSE, TRUE over int8 that h5py uses. Throws Fault
// when HDF5 refuses.
Hdf5Handle hdf5_type_of(const Hdf5Session& hdf5, DType dtype);

}  // namespace lockstep
