// SPDX-License-Identifier: Apache-2.0
#include "drill/disturbance.h"

namespace lockstep {

const char* word_for(FaultKind kind) {
  switch (kind) {
    case FaultKind::kKill:
      return "kill";
    case FaultKind::kHang:
      return "hang";
    case FaultKind::kFullDisk:
      return "disk";
  }
  return "";
}

}  // namespace lockstep
