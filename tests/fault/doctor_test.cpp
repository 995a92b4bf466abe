// SPDX-License-Identifier: Apache-2.0
// F24: what a file system lacks is said beforehand. The real binary on disks that have all, or lack
// something.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "small_disk.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class Doctor : public ::testing::Test {
 protected:
  // In the folder of the test.
  ProcessResult doctor(std::vector<std::string> words = {},
                       const std::vector<std::string>& before = {}) const {
    words.insert(words.begin(), {LOCKSTEP_BINARY, "doctor"});
    words.insert(words.begin(), before.begin(), before.end());
    ProcessOptions options;
    options.directory = dir_ / "work";
    return run(words, options);
  }
  // The grade of each line, by what it is about.
  static std::map<std::string, std::string> grades(const ProcessResult& result) {
    std::map<std::string, std::string> out;
    const json said = json::parse(result.out);
    for (const json& line : said["findings"]) out[line["what"]] = line["grade"];
    EXPECT_EQ(said["usable"], result.code == 0);
    return out;
  }
  void SetUp() override { fs::create_directory(dir_ / "work"); }

  TempDir dir_;
};

TEST_F(Doctor, SaysWhatAnOrdinaryFolderHasAndLeavesItAsItWas) {
  const ProcessResult result = doctor({"--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  const auto found = grades(result);
  for (const char* what : {"owner", "writing", "rename", "flock", "folder fsync", "names"})
    EXPECT_EQ(found.at(what), "ok") << what;
  for (const char* what : {"O_DIRECT", "room ahead", "holes", "free space", "free inodes", "file size"})
    EXPECT_THAT(found.at(what), ::testing::AnyOf("ok", "warn")) << what;
  const ProcessResult text = doctor();
  std::size_t lines = 0;
  std::istringstream stream(text.out);
  for (std::string line; std::getline(stream, line);)
    lines += line.starts_with("ok    ") || line.starts_with("warn  ") ? 1 : 0;
  EXPECT_EQ(lines, found.size()) << text.out;
  EXPECT_TRUE(fs::is_empty(dir_ / "work"));
}

TEST_F(Doctor, LooksWhereTheRunWillBeAndMakesNoFolderForIt) {
  const ProcessResult result = doctor({"--run", "runs/new", "--json"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(json::parse(result.out)["folder"], ".");
  EXPECT_TRUE(fs::is_empty(dir_ / "work"));
  fs::create_directories(dir_ / "work/runs/there/ckpt");
  EXPECT_EQ(json::parse(doctor({"--run", "runs/there", "--json"}).out)["folder"], "runs/there/ckpt");
  EXPECT_TRUE(fs::is_empty(dir_ / "work/runs/there/ckpt"));
  write_file(dir_ / "work/file", "");
  const ProcessResult file = doctor({"--run", "file"});
  EXPECT_EQ(file.code, 73);
  EXPECT_THAT(file.err, HasSubstr("is not a folder"));
}

TEST_F(Doctor, CallsADiskBadThatCannotBeWritten) {
  SmallDisk disk(dir_ / "work", "size=4m");
  disk.make_read_only();
  const ProcessResult result = doctor();
  EXPECT_EQ(result.code, 73);
  EXPECT_THAT(result.out, HasSubstr("\nbad   writing"));
  EXPECT_THAT(result.out, HasSubstr("Read-only file system"));
  EXPECT_THAT(result.out, HasSubstr("choose another run.dir"));
}

TEST_F(Doctor, CallsAFullDiskBadAndLeavesItAsItWas) {
  for (const char* small : {"size=4k", "size=12k", "nr_inodes=2", "nr_inodes=4"}) {
    SCOPED_TRACE(small);
    const std::string folder = dir_ / "work" + "/" + small;
    fs::create_directory(folder);
    const SmallDisk disk(folder, small);
    const ProcessResult result = doctor({"--run", small, "--json"});
    EXPECT_EQ(result.code, 73) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("No space left on device"));
    EXPECT_TRUE(fs::is_empty(folder));
  }
}

TEST_F(Doctor, WarnsOfALimitOnFilesAndIsNotEndedByIt) {
  const ProcessResult result = doctor({}, {"prlimit", "--fsize=100000"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\nwarn  file size     at most 100000 bytes; "));
  EXPECT_THAT(result.out, HasSubstr("\nwarn  room ahead    not taken: File too large; "));
  EXPECT_TRUE(fs::is_empty(dir_ / "work"));
}

TEST_F(Doctor, WarnsOfMissingLocksAndFolderSyncsWhichAreNoEnd) {
  const std::string counts = dir_ / "counts";
  write_file(counts, std::string(8 * sizeof(std::uint64_t), '\0'));
  const ProcessResult result =
      doctor({}, {"env", "LD_PRELOAD=" LOCKSTEP_ODD_DISK, "ODD_DISK=no_locks no_directory_sync",
                  "ODD_DISK_COUNTS=" + counts});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("\nwarn  flock         not there: No locks available; nothing keeps"));
  EXPECT_THAT(result.out, HasSubstr("\nwarn  folder fsync  not there: Invalid argument; a power cut"));
  std::uint64_t shown[4] = {};
  std::memcpy(shown, read_file(counts).data(), sizeof shown);
  EXPECT_EQ(shown[2], 1u);
  EXPECT_GE(shown[3], 1u);
  EXPECT_TRUE(fs::is_empty(dir_ / "work"));
}

}  // namespace
}  // namespace lockstep::testing
