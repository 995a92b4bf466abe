// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/descriptor.h"

namespace lockstep {

// Where ranks wait that were started before their attempt begins: a named pipe. The supervisor holds it open
// and writes a byte for each rank that may go on; where the supervisor is gone, they read its end. A pipe
// with a name, because mpirun closes what its ranks would inherit. Local; one thread.
class Gate {
 public:
  // Makes it. Throws Fault (69) where that cannot be done.
  explicit Gate(const std::string& path);

  // Lets so many ranks through, those too that come later, for as long as this lives. False when they are too
  // many for a pipe.
  bool open(int ranks);

 private:
  Descriptor pipe_;
};

// Local. The rank's side: waits, as "lockstep-waits" in `ps`, and costs no time while it does. False when the
// attempt is not going to begin: leave without a word.
bool pass_gate(const std::string& path);

}  // namespace lockstep
