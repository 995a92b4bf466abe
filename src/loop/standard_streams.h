// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace lockstep {

// Local. Call it first of all. Takes the places of standard streams that the parent closed, so that no file
// of ours gets their numbers: what uses them fails as it would have. Takes back what a parent can leave
// behind that no program expects: SIGCHLD ignored or blocked.
void take_standard_streams();

// Local. Writes to standard output. Throws Fault (74) when that fails; a reader that went away ends the
// process by SIGPIPE, in silence.
void print(const std::string& text);

// Local. Sends out what standard output still holds, and fails as print does: without it nobody hears that
// the disk was full.
void finish_output();

// Local. Writes to standard error and sends it out; nobody hears when that fails.
void print_error(const std::string& text);

// Local. What is printed beside work that is worth more than the words: writes and sends out; false when that
// fails. SIGPIPE must be ignored.
bool try_print(const std::string& text);

}  // namespace lockstep
