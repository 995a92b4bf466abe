// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "base/descriptor.h"

namespace lockstep {

// The signals by which a supervisor is asked to stop (USR1, TERM, INT, HUP) or to save (USR2), read when it
// looks instead of interrupting it. From its making on none of them is lost or ends the process; one that
// came blocked before is there. Make it before the first thread. Local.
class SignalInbox {
 public:
  // Throws Fault (69) when the kernel has no descriptor for it.
  SignalInbox();

  // Readable when there is something to take.
  int fd() const { return fd_.get(); }
  // Those that came since the last call, in order.
  std::vector<int> take();

 private:
  Descriptor fd_;
};

}  // namespace lockstep
