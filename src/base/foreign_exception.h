// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "lockstep/base/error.h"

namespace lockstep {

// What somebody else's code threw: a model or a dataset of a user's own, LibTorch, the standard library.
struct ForeignException {
  enum class Kind {
    kOther,
    kLibTorch,     // a check of LibTorch's: shapes, types, options that do not fit
    kOutOfMemory,  // of the host or the device
  };
  Kind kind = Kind::kOther;
  std::string text;   // "std::out_of_range: map::at", or the type alone when it says nothing
  std::string asked;  // out of memory: "40000 bytes", "20.00 GiB"; empty when nobody said
};

// Local, inside a catch block: what is handled there. Rethrows Fault and Bug; Fault (69): no thread is left.
ForeignException foreign_exception();

// Local. The end of a process that ran out of memory: code 69, so that no launcher tries the same again.
// `doing`: what it was busy with; `remedy`: the setting that lowers it.
Fault out_of_memory(const ForeignException& exception, const std::string& doing, const std::string& remedy);

// Calls `work`. What it throws, and is neither a Fault nor a Bug, becomes what `fault_of(ForeignException)`
// makes of it.
template <class Work, class FaultOf>
decltype(auto) with_foreign_faults(const Work& work, const FaultOf& fault_of) {
  try {
    return work();
  } catch (...) {
    throw fault_of(foreign_exception());
  }
}

}  // namespace lockstep
