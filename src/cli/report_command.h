// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

namespace lockstep {

// Local. Adds `report RUN_DIR… [-o report.html]` to `app`. When it is parsed it writes one page about the
// runs. Looks only; works beside a running job. Throws Fault (66, 74) through app.parse().
void add_report_command(CLI::App& app);

}  // namespace lockstep
