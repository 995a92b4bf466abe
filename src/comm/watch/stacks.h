// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace lockstep {

// One thread of this process.
struct ThreadStack {
  pid_t thread = 0;
  std::string name;
  char state = '?';                 // as /proc has it: R, S, D (inside the kernel, for a disk), …
  std::vector<std::string> frames;  // innermost first; empty: it did not answer
};

// Local. From here on threads can be asked where they are; takes the real-time signal SIGRTMAX-3. Once a
// process.
void prepare_stacks();

// Local. Where every thread but the caller is, the main thread first. A thread that blocks signals or is
// inside the kernel does not answer; each is waited for 100 ms, all together 2 s.
std::vector<ThreadStack> take_stacks();

// "thread 12 lockstep (S):\n    frame\n    frame\n"
std::string text_of(const ThreadStack& stack);

// Local. Is a thread of this process inside the kernel where no signal reaches it, as one is that waits for a
// disk?
bool any_thread_waits_for_disk();

}  // namespace lockstep
