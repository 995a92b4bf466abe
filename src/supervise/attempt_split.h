// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "supervise/line_server.h"
#include "supervise/run_events.h"

namespace lockstep {

// Local. What the start of an attempt took, from its launch to the end of its first step: the fields of
// attempt_trains. The story has come that far.
EventFields attempt_split(const AttemptStory& story, AttemptStory::Time launched);

}  // namespace lockstep
