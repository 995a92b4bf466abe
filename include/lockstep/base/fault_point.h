// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lockstep {

// A named place where tests make the world fail: `fault_point("ckpt.before_rename")`. Builds without
// LOCKSTEP_FAULT_POINTS compile it to nothing.
//
// A plan is `action@key=value,…` with several separated by ';': action kill (SIGKILL to this process), stop
// (SIGSTOP), term, usr1 (to this process), abort, throw (Fault 74), nan (the caller asks fault_requested and
// spoils its number), flip (the same of a bit), exit, hang (the calling thread sleeps for ever), slow (8 s),
// lag (10 ms), note (does nothing but write its line, every time); keys rank, step, point, attempt, file (a
// path that is created when it fires, and that makes all but note fire once only). Every firing appends a
// line to `file`, so that a test can count injections.
struct FaultContext {
  int rank = 0;
  int attempt = 1;
};

// Parses `plan`; throws Fault (64) with the position of what it cannot read, or when fault points are
// compiled out and the plan is not empty.
void arm_fault_points(std::string_view plan, const FaultContext& context);

// Tells the injector which step is running; points match on it. A thread that works for another step than the
// one that is running (a save behind the training) says so for itself.
void set_fault_step(std::int64_t step);
void set_fault_step_of_thread(std::int64_t step);

#ifdef LOCKSTEP_FAULT_POINTS
// `index` tells apart what happens several times a step: it stands in the line of `file`.
void fault_point(std::string_view name, std::int64_t index = -1);
// True when a `nan` action matches here: the caller spoils its own number.
bool fault_requested(std::string_view name);
#else
inline void fault_point(std::string_view, std::int64_t = -1) {}
inline bool fault_requested(std::string_view) {
  return false;
}
#endif

}  // namespace lockstep
