// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lockstep/base/error.h"

namespace lockstep {

// Local. A path as a person wrote it, in a config or where no shell has read it: `~` and `~/x` mean the home
// directory. Everything else stays as it is; a file whose name begins with `~` is `./~x`. Throws Fault
// (`code`) for `~name`, for `~` without HOME, and for `$NAME` or `${NAME}` where nothing of that very name
// exists: nobody here expands them, and a folder called `$HOME` is never what was meant.
std::string expanded_path(const std::string& path, ExitCode code);

}  // namespace lockstep
