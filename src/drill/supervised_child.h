// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace lockstep {

// `lockstep run` as a process of its own: what it says goes into a file. When this process ends, however it
// ends, it is asked to save and stop. Local; one thread, the one that made it.
class SupervisedChild {
 public:
  // Appends to `log`. Throws Fault: 73 for a log that cannot be written, 69 when no process can be had.
  SupervisedChild(const std::vector<std::string>& words, const std::string& log);
  // Ends it, and all that it has started, if it still lives.
  ~SupervisedChild();
  SupervisedChild(const SupervisedChild&) = delete;
  SupervisedChild& operator=(const SupervisedChild&) = delete;

  pid_t pid() const { return pid_; }
  // Its exit code as a shell has it, once it has ended.
  std::optional<int> ended();

 private:
  pid_t pid_ = -1;
  std::optional<int> code_;
};

}  // namespace lockstep
