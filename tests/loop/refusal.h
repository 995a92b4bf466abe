// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "lockstep/base/error.h"

namespace lockstep {

// What the Fault (78) says that `work` throws; empty when it throws none.
inline std::string refusal_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    return fault.what();
  }
  return "";
}

}  // namespace lockstep
