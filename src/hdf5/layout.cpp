// SPDX-License-Identifier: Apache-2.0
#include "hdf5/layout.h"

#include "hdf5/laid_out_file.h"

namespace lockstep {

Hdf5Layout lay_out(const Hdf5Plan& plan) {
  return LaidOutFile(plan).take_layout();
}

}  // namespace lockstep
