// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/entries.h"
#include "lockstep/base/fault_point.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

// A fuzzer starts from small files; what is larger is changed too slowly.
constexpr std::size_t kLargestSeed = 4096;

Bytes bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return MemoryFile(std::string(std::istreambuf_iterator<char>(in), {})).bytes();
}

class FuzzCorpus : public ::testing::TestWithParam<std::pair<const std::string, FuzzEntry>> {
 protected:
  FuzzCorpus() { arm_fault_points(kFuzzGuards, {}); }
  ~FuzzCorpus() override { arm_fault_points("", {}); }
};

// The corpus, among it every file that once broke a reader, through the entries the fuzzers call.
TEST_P(FuzzCorpus, IsReadOrRefusedAndNothingElse) {
  const auto& [name, entry] = GetParam();
  std::size_t read = 0;
  std::size_t refused = 0;
  for (const auto& file : fs::directory_iterator(fs::path(LOCKSTEP_FUZZ_CORPUS) / name)) {
    const Bytes bytes = bytes_of(file.path());
    EXPECT_LE(bytes.size(), kLargestSeed) << file.path();
    try {
      ++(entry(bytes).has_value() ? read : refused);
    } catch (const std::exception& error) {
      ADD_FAILURE() << file.path() << ": " << error.what();
    }
  }
  EXPECT_GE(read, 2u);
  EXPECT_GE(refused, 1u);
}

INSTANTIATE_TEST_SUITE_P(Of, FuzzCorpus, ::testing::ValuesIn(fuzz_entries()),
                         [](const auto& info) { return info.param.first; });

TEST(FuzzCorpus, HasAFolderForEachEntryAndSaysHowItsFilesWereMade) {
  std::ifstream in(fs::path(LOCKSTEP_FUZZ_CORPUS) / "README.md");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  std::size_t folders = 0;
  for (const auto& folder : fs::directory_iterator(LOCKSTEP_FUZZ_CORPUS)) {
    if (!folder.is_directory()) continue;
    ++folders;
    EXPECT_TRUE(fuzz_entries().contains(folder.path().filename())) << folder.path();
    for (const auto& file : fs::directory_iterator(folder))
      EXPECT_NE(text.find("`" + file.path().filename().string() + "`"), std::string::npos) << file.path();
  }
  EXPECT_EQ(folders, fuzz_entries().size());
}

}  // namespace
}  // namespace lockstep
