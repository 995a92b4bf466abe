// SPDX-License-Identifier: Apache-2.0
#include "hdf5/last_reason.h"

#include <hdf5.h>

namespace lockstep::hdf5 {
namespace {

// The first entry is where the call went wrong, the others are who passed it on.
herr_t keep_first(unsigned number, const H5E_error2_t* entry, void* into) {
  if (number == 0 && entry->desc != nullptr) *static_cast<std::string*>(into) = entry->desc;
  return 0;
}

}  // namespace

std::string last_reason() {
  std::string reason;
  if (H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason) < 0) return "";
  return reason;
}

}  // namespace lockstep::hdf5
