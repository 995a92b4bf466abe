// SPDX-License-Identifier: Apache-2.0
#include "comm/agree.h"
#include "comm/device.h"

namespace lockstep {

int cuda_device_count() {
  return 0;
}

std::unique_ptr<Communicator> make_device_communicator(const Place&, Communicator&,
                                                       const DeviceCommOptions&) {
  throw AgreedFault(ExitCode::kCannotStart, "this lockstep was built without CUDA",
                    "Set train.device: cpu, or build with cmake --preset cuda");
}

}  // namespace lockstep
