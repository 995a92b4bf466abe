// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>

#include "base/descriptor.h"
#include "drill/disturbance.h"

namespace lockstep {

// A rank that is going to be struck. Local.
class Strike {
 public:
  // Of this process; none when it is not there.
  static std::unique_ptr<Strike> of(pid_t rank, FaultKind kind);

  // Since it was found.
  double age_s() const;
  bool ended() const;
  // Does it. False when the rank has ended.
  bool now(const std::string& run_directory);
  // Gives a disk its room back.
  void undo();

 private:
  Strike(pid_t rank, int process, FaultKind kind);

  pid_t rank_;
  Descriptor process_;
  FaultKind kind_;
  rlimit before_{};
  std::chrono::steady_clock::time_point found_ = std::chrono::steady_clock::now();
};

}  // namespace lockstep
