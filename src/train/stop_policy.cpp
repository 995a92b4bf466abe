// SPDX-License-Identifier: Apache-2.0
#include "train/stop_policy.h"

#include "lockstep/base/fault_point.h"
#include "run/stop_signals.h"

namespace lockstep {

Agreed<Wish> ask_ranks(World& world, bool save_is_due) {
  const bool asked = stop_signal_received() != 0 && !fault_requested("guard.skip_stop");
  const Wish unasked = save_is_due && world.is_root() ? Wish::kSave : Wish::kGoOn;
  return agree_max(world, asked ? Wish::kStop : unasked);
}

}  // namespace lockstep
