// SPDX-License-Identifier: Apache-2.0
// One fuzzer; CMake compiles it once for each entry.
#include <cstddef>
#include <cstdint>

#include "fuzz/entries.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  lockstep::configure_log({.to_stderr = false});
  lockstep::arm_fault_points(lockstep::kFuzzGuards, {});
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const lockstep::FuzzEntry entry = lockstep::fuzz_entries().at(LOCKSTEP_FUZZ_TARGET);
  entry(std::as_bytes(std::span(data, size)));
  return 0;
}
