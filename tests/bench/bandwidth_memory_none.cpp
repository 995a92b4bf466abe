// SPDX-License-Identifier: Apache-2.0
#include "bandwidth_memory.h"
#include "lockstep/base/error.h"

namespace lockstep::bench {

std::shared_ptr<void> zeros_on_device(std::size_t) {
  throw Fault(ExitCode::kCannotStart, "this benchmark was built without CUDA", "Use the preset cuda");
}

std::string device_words() {
  return "";
}

}  // namespace lockstep::bench
