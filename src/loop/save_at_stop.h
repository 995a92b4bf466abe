// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "loop/checkpointer.h"
#include "loop/stop_policy.h"

namespace lockstep {

struct SaveAtStop {
  World& world;
  Checkpointer& checkpointer;
  StopPolicy& policy;
  Reporter& reporter;
};

// Collective, after the last step of a life that is asked to stop. Makes the one save there is time for, Note
// [one save at a stop], and returns the step the next life goes on from. Throws AgreedFault: 76 when a save
// does not fit before the process is ended (none is begun), 74 as Checkpointer::require(). A save that was
// begun and is not over when the time is: leaves the job with 76 at once, without a return.
Step save_at_stop(const SaveAtStop& parts, const TrainRecord& record);

}  // namespace lockstep
