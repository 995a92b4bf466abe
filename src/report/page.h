// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "report/run_story.h"

namespace lockstep {

// Local. One HTML page about the runs: a chart for each thing measured, all runs in it, with what happened
// marked; then each run's attempts, checkpoints and events as tables. It needs no network, no scripts and no
// other file. All text of the runs is data: none of it becomes markup.
std::string report_page(const std::vector<RunStory>& runs);

}  // namespace lockstep
