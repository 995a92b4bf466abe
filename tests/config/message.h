// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "config/load.h"
#include "lockstep/base/error.h"

namespace lockstep {

// What the Fault that `act` must throw, with this code, says.
template <class Act>
std::string message_of(Act act, ExitCode code) {
  try {
    act();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), code) << fault.what();
    return fault.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return "";
}

// The smallest config that is valid.
inline const std::string kSmall = "train: {steps: 10}\n";

// As it stands, with made-up data where nothing is said of data.
inline RunConfig load_text(const std::string& text, std::vector<std::string> overrides = {},
                           const ExtraTypes& types = {}) {
  if (("\n" + text).find("\ndata:") == std::string::npos)
    overrides.insert(overrides.begin(), "data.type=synthetic");
  return load_config_text(text, {"run.yaml", "", true}, overrides, types);
}

inline std::string refusal_of(const std::string& text, const std::vector<std::string>& overrides = {},
                              const ExtraTypes& types = {}) {
  return message_of([&] { load_text(text, overrides, types); }, ExitCode::kConfig);
}

}  // namespace lockstep
