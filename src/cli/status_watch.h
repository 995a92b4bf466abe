// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cli/run_view.h"

namespace lockstep {

// Local. Shows the run until it is over, looking every so many seconds: on a terminal what status_text()
// says with the curve of the loss below it, drawn over what was there before; else a line for each change of
// state and, while it runs, for each look at a new step. Throws Fault (66, 74).
void watch_status(RunView& view, double interval_s);

}  // namespace lockstep
