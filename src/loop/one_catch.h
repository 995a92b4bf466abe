// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

namespace lockstep {

// The one catch. Runs `work`, takes the process out of its job the way `work` ended, and returns the exit
// code: with the other ranks after a return or an AgreedFault; alone, with the launcher ending the others,
// after anything else (then it does not return). `doing` is what ran out of memory, for messages. Errors go
// to standard error whatever the log is set to, and to the supervisor.
int with_the_one_catch(const char* doing, const std::function<int()>& work);

}  // namespace lockstep
