// SPDX-License-Identifier: Apache-2.0
// Run directories where people keep them: behind links, under a home directory, under any name.
#include <filesystem>

#include "cli/binary.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class RunPaths : public Binary {
 protected:
  ProcessResult train_in(const std::string& folder,
                         std::map<std::string, std::string> environment = {}) const {
    return lockstep({"train", "-c", "run.yaml", "train.steps=4", "train.eval_every=0", "--run", folder},
                    std::move(environment));
  }
  bool is_done(const std::string& folder) const { return fs::exists(dir_ / (folder + "/DONE")); }
};

TEST_F(RunPaths, LinksOnTheWayAreFollowed) {
  fs::create_directories(dir_ / "scratch/me");
  fs::create_directory_symlink("scratch/me", dir_ / "runs");
  ASSERT_EQ(train_in("runs/a").code, 0);
  EXPECT_TRUE(is_done("scratch/me/a"));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"status", "runs/a"}, {"ckpt", "ls", "runs/a"}, {"ckpt", "verify", "runs/a"}})
    EXPECT_EQ(lockstep(words).code, 0) << words[0];
}

TEST_F(RunPaths, ALinkToTheRunDirectoryItselfIsFollowed) {
  ASSERT_EQ(train_in("first").code, 0);
  fs::create_directory_symlink("first", dir_ / "newest");
  const ProcessResult again = lockstep({"train", "-c", "run.yaml", "train.steps=8", "--run", "newest/"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(fs::exists(dir_ / "first/ckpt/step-00000008"));
  EXPECT_TRUE(fs::is_symlink(dir_ / "newest"));
}

TEST_F(RunPaths, ALinkToNowhereIsNamed) {
  fs::create_directory_symlink("purged", dir_ / "runs");
  expect_refused(train_in("runs/a"), 73, {"is a symbolic link to a folder that does not exist"});
  EXPECT_FALSE(fs::exists(dir_ / "purged"));
}

TEST_F(RunPaths, TildeIsHomeInConfigOverrideAndFlag) {
  const std::map<std::string, std::string> home = {{"HOME", dir_ / "home"}};
  fs::create_directories(dir_ / "home");
  ASSERT_EQ(train_in("~/flag", home).code, 0);
  ASSERT_EQ(lockstep({"train", "-c", "run.yaml", "train.steps=4", "run.dir=~/key"}, home).code, 0);
  EXPECT_TRUE(is_done("home/flag"));
  EXPECT_TRUE(is_done("home/key"));
  EXPECT_EQ(lockstep({"ckpt", "ls", "~/key"}, home).code, 0);
  EXPECT_EQ(lockstep({"eval", "-c", "run.yaml", "--weights=~/key/weights.h5"}, home).code, 0);
  EXPECT_FALSE(fs::exists(dir_ / "~"));
}

TEST_F(RunPaths, ATaskOfAnArrayHasADirectoryOfItsOwn) {
  ASSERT_EQ(train_in("sweep-{array_task}", {{"SLURM_ARRAY_TASK_ID", "3"}}).code, 0);
  EXPECT_TRUE(is_done("sweep-3"));
  expect_refused(train_in("sweep-{array_task}"), 78, {"this is no task of a Slurm array", "sbatch --array"});
  EXPECT_FALSE(fs::exists(dir_ / "sweep-{array_task}"));
}

TEST_F(RunPaths, VariablesAreRefusedWithTheirPlace) {
  expect_refused(lockstep({"train", "-c", "run.yaml", "run.dir=$HOME/x"}), 78,
                 {"run.dir", "variables are not expanded"});
  expect_refused(lockstep({"ckpt", "ls", "${SCRATCH}/run"}), 64, {"variables are not expanded"});
  EXPECT_FALSE(fs::exists(dir_ / "$HOME"));
}

// What YAML would read as something else, and what a shell or a format string would.
class OddName : public RunPaths, public ::testing::WithParamInterface<const char*> {};

TEST_P(OddName, IsAFolderLikeAnyOther) {
  const std::string name = GetParam();
  const ProcessResult result = train_in(name);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(is_done(name));
  EXPECT_EQ(lockstep({"ckpt", "verify", "./" + name}).code, 0);
}

INSTANTIATE_TEST_SUITE_P(Names, OddName,
                         ::testing::Values("null", "1e3", "a: b", "#x", " lead", "{x} %s", "it's \"q\"",
                                           "[a]", "\xc3\xa9t\xc3\xa9", "--dashes", "a\\b"),
                         [](const auto& info) { return "Name" + std::to_string(info.index); });

TEST_F(RunPaths, ANameThatNoConfigCanHoldIsRefusedBeforeAnythingIsMade) {
  expect_refused(train_in("\xff\xfe"), 64, {"not UTF-8"});
  expect_refused(train_in(""), 64, {"--run is empty"});
  expect_refused(train_in("line\nbreak"), 78, {"over several lines"});
}

}  // namespace
}  // namespace lockstep::testing
