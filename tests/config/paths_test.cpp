// SPDX-License-Identifier: Apache-2.0
#include "config/paths.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>

#include "support/temp_dir.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using testing::TempDir;

// HOME for the time of a test.
class Paths : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* home = std::getenv("HOME");
    before_ = home == nullptr ? "" : home;
    ::setenv("HOME", "/u/ada", /*overwrite=*/1);
  }
  void TearDown() override { ::setenv("HOME", before_.c_str(), /*overwrite=*/1); }

  static std::string refusal(const std::string& path) {
    try {
      return "taken as " + expanded_path(path, ExitCode::kConfig);
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.code(), ExitCode::kConfig);
      return fault.what();
    }
  }

  std::string before_;
};

TEST_F(Paths, TildeIsTheHomeDirectory) {
  EXPECT_EQ(expanded_path("~", ExitCode::kConfig), "/u/ada");
  EXPECT_EQ(expanded_path("~/runs/x", ExitCode::kConfig), "/u/ada/runs/x");
}

TEST_F(Paths, OthersStayAsTheyAre) {
  for (const std::string path :
       {"runs/x", "/data/~/x", "./~ada", "a~", "", "50$", "a$ b", "100%", "{run}", "$1"})
    EXPECT_EQ(expanded_path(path, ExitCode::kConfig), path);
}

TEST_F(Paths, WhatNobodyExpandsIsRefused) {
  EXPECT_THAT(refusal("~bob/runs"), HasSubstr("./~bob/runs"));
  EXPECT_THAT(refusal("$HOME/runs"), HasSubstr("variables are not expanded"));
  EXPECT_THAT(refusal("runs/${USER}"), HasSubstr("variables are not expanded"));
  ::unsetenv("HOME");
  EXPECT_THAT(refusal("~/runs"), HasSubstr("HOME is not set"));
}

TEST_F(Paths, AFileThatReallyHasSuchANameIsTaken) {
  const TempDir folder;
  const std::string path = folder / "$HOME";
  std::filesystem::create_directory(path);
  EXPECT_EQ(expanded_path(path, ExitCode::kConfig), path);
}

}  // namespace
}  // namespace lockstep
