// SPDX-License-Identifier: Apache-2.0
#include "named/what_is.h"

#include <filesystem>
#include <fstream>

#include "exchange/python_files.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

const std::string kData = std::string(LOCKSTEP_SOURCE_DIR) + "/tests/checkpoint/data/";
const std::string kExchanged = std::string(LOCKSTEP_SOURCE_DIR) + "/tests/exchange/data/";

TEST(WhatIs, TellsTheKindsOfPlaceApart) {
  const lockstep::testing::TempDir scratch;
  const std::string run = scratch / "run";
  fs::create_directories(run + "/ckpt/step-00000003");
  fs::create_directories(run + "/ckpt/step-00000012");
  fs::create_directories(scratch / "else");
  std::ofstream(run + "/ckpt/step-00000003/manifest.json") << "{}";
  std::ofstream(scratch / "text") << "hello";
  fs::create_directory_symlink(run, scratch / "link");
  EXPECT_EQ(what_is(run).kind, PathKind::kRun);
  EXPECT_EQ(what_is(scratch / "link").kind, PathKind::kRun);
  EXPECT_EQ(what_is(run + "/").kind, PathKind::kRun);
  EXPECT_EQ(what_is(run + "/ckpt").kind, PathKind::kCheckpoints);
  EXPECT_EQ(what_is(run + "/ckpt/").kind, PathKind::kCheckpoints);
  EXPECT_EQ(what_is(run + "/ckpt/step-00000003").kind, PathKind::kCheckpoint);
  EXPECT_EQ(what_is(run + "/ckpt/step-00000003/manifest.json").kind, PathKind::kCheckpoint);
  EXPECT_EQ(what_is(scratch / "else").kind, PathKind::kOtherFolder);
  EXPECT_EQ(what_is(scratch / "text").kind, PathKind::kOtherFile);
  std::ofstream(scratch / "metrics.jsonl") << "{\"step\": 1}\n";
  EXPECT_EQ(what_is(scratch / "metrics.jsonl").kind, PathKind::kOtherFile);
  EXPECT_EQ(what_is(scratch / "gone").kind, PathKind::kNothing);
  EXPECT_EQ(what_is("/dev/null").kind, PathKind::kOtherFile);
  EXPECT_EQ(what_is(kExchanged + "all.pth").kind, PathKind::kForeign);
  EXPECT_EQ(what_is(kExchanged + "all.safetensors").kind, PathKind::kForeign);
  for (const char* name : {"run", "link", "run/ckpt", "run/ckpt/step-00000012"})
    EXPECT_EQ(fs::path(checkpoint_named(scratch / name)).filename(), "step-00000012") << name;
}

TEST(WhatIs, SaysWhatWasGivenInsteadOfACheckpoint) {
  const lockstep::testing::TempDir scratch;
  fs::create_directories(scratch / "empty/ckpt");
  std::ofstream(scratch / "text") << "hello";
  const auto code_of = [](const std::string& path) {
    try {
      checkpoint_named(path);
    } catch (const Fault& fault) {
      return fault.code();
    }
    return ExitCode::kUsage;
  };
  EXPECT_EQ(code_of(scratch / "gone"), ExitCode::kInputMissing);
  EXPECT_EQ(code_of(scratch / "empty"), ExitCode::kInputMissing);
  EXPECT_NE(refusal([&] { checkpoint_named(scratch / "text"); }).find("neither"), std::string::npos);
}

}  // namespace
}  // namespace lockstep
