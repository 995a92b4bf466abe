// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>

#include "config/load.h"

namespace lockstep {
namespace {

TEST(CommittedConfigs, AreAllValid) {
  int checked = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LOCKSTEP_SOURCE_DIR "/configs")) {
    EXPECT_NO_THROW(load_config(entry.path().string())) << entry.path();
    ++checked;
  }
  EXPECT_GE(checked, 4);
}

TEST(CommittedConfigs, CanBeSharedByTwoAndFourRanks) {
  for (const char* name : {"digits", "gpt-headers", "regression", "resnet18-cifar"}) {
    const RunConfig config = load_config(LOCKSTEP_SOURCE_DIR "/configs/" + std::string(name) + ".yaml");
    EXPECT_EQ(config.train.global_batch / config.train.micro_batch % 4, 0) << name;
  }
}

}  // namespace
}  // namespace lockstep
