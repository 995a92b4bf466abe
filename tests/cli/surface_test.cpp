// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>

#include "cli/binary.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Surface : public Binary {};

TEST_F(Surface, EveryCommittedConfigIsValid) {
  int seen = 0;
  for (const auto& entry : fs::directory_iterator(LOCKSTEP_SOURCE_DIR "/configs")) {
    if (entry.path().extension() != ".yaml") continue;
    const ProcessResult result = lockstep({"config", "check", "-c", entry.path().string()});
    EXPECT_EQ(result.code, 0) << entry.path() << result.err;
    EXPECT_THAT(result.out, HasSubstr(": valid"));
    ++seen;
  }
  EXPECT_GE(seen, 4);
}

TEST_F(Surface, HelpOfEveryCommandOpensWithTwoExamplesOfIt) {
  for (const std::string command :
       {"",           "train",        "eval",        "predict",     "status",        "report",
        "config",     "config check", "config show", "config diff", "config schema", "config init",
        "ckpt",       "ckpt ls",      "ckpt show",   "ckpt verify", "ckpt diff",     "ckpt tag",
        "ckpt prune", "ckpt repair",  "doctor",      "drill"}) {
    std::vector<std::string> words;
    std::istringstream stream(command);
    for (std::string word; stream >> word;) words.push_back(word);
    words.push_back("--help");
    const ProcessResult result = lockstep(words);
    EXPECT_EQ(result.code, 0) << command;
    const auto lines = lines_of(result.out);
    ASSERT_GT(lines.size(), 4u) << command;
    EXPECT_EQ(lines[0], "Examples:") << command;
    for (const std::size_t example : {1, 2}) {
      EXPECT_THAT(lines[example], StartsWith("  ")) << command;
      EXPECT_THAT(lines[example], HasSubstr("lockstep " + command)) << command;
    }
    EXPECT_EQ(lines[3], "") << command;
  }
}

TEST_F(Surface, TheListOfCommandsSaysWhatEachDoes) {
  const ProcessResult result = lockstep({"--help"});
  for (const char* command :
       {"train", "eval", "predict", "status", "report", "config", "ckpt", "doctor", "drill"})
    EXPECT_THAT(result.out, HasSubstr(std::string("\n  ") + command + " ")) << result.out;
  const auto lines = lines_of(result.out);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "Examples:"), 1) << result.out;
}

TEST_F(Surface, PrintsItsVersion) {
  const ProcessResult result = lockstep({"--version"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "lockstep 0.1.0\n");
}

TEST_F(Surface, SaysNothingInColourWhereThereIsNoTerminal) {
  const ProcessResult result = lockstep({"train", "-c", "run.yaml"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out + result.err, Not(HasSubstr("\033")));
  EXPECT_THAT(result.out, HasSubstr("done: step 12"));
}

// Every code block of the guide stands in the program that the consumer test builds and runs.
TEST_F(Surface, TheGuideShowsWhatIsTested) {
  const std::string project = LOCKSTEP_SOURCE_DIR "/tests/consumer/project/";
  const std::map<std::string, std::string> sources = {{"cpp", read_file(project + "main.cpp")},
                                                      {"yaml", read_file(project + "run.yaml")},
                                                      {"cmake", read_file(project + "CMakeLists.txt")}};
  std::map<std::string, int> seen;
  std::string language, block;
  for (const std::string& line : lines_of(read_file(LOCKSTEP_SOURCE_DIR "/docs/your-own-model.md"))) {
    if (!line.starts_with("```")) {
      block += line + "\n";
      continue;
    }
    if (sources.count(language) != 0) {
      EXPECT_THAT(sources.at(language), HasSubstr(block)) << language;
      ++seen[language];
    }
    language = line.substr(3);
    block.clear();
  }
  EXPECT_GE(seen["cpp"], 4);
  EXPECT_EQ(seen["yaml"], 1);
  EXPECT_EQ(seen["cmake"], 1);
}

}  // namespace
}  // namespace lockstep::testing
