// SPDX-License-Identifier: Apache-2.0
// Labels that do not count, and data that a resume finds changed.
#include <filesystem>

#include "job/job.h"

namespace lockstep::testing {
namespace {

const std::vector<std::string> kWithoutSpaces = {"data.ignore_label=32"};

TEST(IgnoreLabel, GivesTheSameStateAtEveryNumberOfRanksAndAfterAKill) {
  const std::string alone = reference_hash(gpt_config(), kWithoutSpaces);
  EXPECT_NE(alone, reference_hash(gpt_config()));
  for (const int ranks : {1, 2, 3, 4}) {
    SCOPED_TRACE(ranks);
    const Job job(gpt_config());
    if (ranks % 2 == 0) {
      const std::string fired = job.path("fired");
      EXPECT_EQ(job.train({.ranks = ranks,
                           .fault = "kill@rank=1,step=3,point=reduce,file=" + fired,
                           .overrides = kWithoutSpaces})
                    .code,
                137);
      EXPECT_EQ(injections(fired), 1);
    }
    const ProcessResult result = job.train({.ranks = ranks, .overrides = kWithoutSpaces});
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(job.state_hash(), alone);
  }
}

TEST(IgnoreLabel, MayNotChangeOnResume) {
  const Job job(gpt_config());
  ASSERT_EQ(job.train({.launcher = Launcher::kNone, .overrides = {"train.steps=2"}}).code, 0);
  const ProcessResult result = job.train({.launcher = Launcher::kNone, .overrides = kWithoutSpaces});
  EXPECT_EQ(result.code, 78) << result.err;
  EXPECT_NE(result.err.find("data.ignore_label"), std::string::npos) << result.err;
}

// A job on a folder of texts, trained for two of its four steps.
class ChangedFolder : public ::testing::Test {
 protected:
  ChangedFolder() : job_(gpt_config()) {
    std::filesystem::create_directory(job_.path("texts"));
    const std::string text = read_file(job_.path("train.txt"));
    for (const char* name : {"a.txt", "b.txt", "c.txt"}) write_file(job_.path("texts/") + name, text);
    const ProcessResult result = train({"train.steps=2"});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_NE(result.err.find("3 files"), std::string::npos) << result.err;
  }
  ProcessResult train(std::vector<std::string> overrides = {}) const {
    overrides.push_back("data.train.path=" + job_.path("texts"));
    return job_.train({.launcher = Launcher::kNone, .overrides = overrides});
  }

  Job job_;
};

TEST_F(ChangedFolder, IsRefusedAndNamesWhatCameWentAndChanged) {
  write_file(job_.path("texts/new.txt"), "something else");
  std::filesystem::remove(job_.path("texts/a.txt"));
  write_file(job_.path("texts/c.txt"), read_file(job_.path("texts/c.txt")) + "more");
  const ProcessResult result = train();
  EXPECT_EQ(result.code, 78) << result.err;
  for (const std::string text : {"1 came (new.txt)", "1 went (a.txt)", "1 changed (c.txt)"})
    EXPECT_NE(result.err.find(text), std::string::npos) << text << " in " << result.err;
}

TEST_F(ChangedFolder, MayHoldWhatAnEditorLeavesBehind) {
  for (const char* name : {"a.txt~", ".b.txt.swp", ".DS_Store"}) write_file(job_.path("texts/") + name, "x");
  const ProcessResult result = train();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("left out: 2 hidden, 1 of an editor"), std::string::npos) << result.err;
}

TEST_F(ChangedFolder, IsTakenWhenAllowedAndIsTheRecordFromThenOn) {
  write_file(job_.path("texts/new.txt"), "something else");
  const ProcessResult allowed = train({"train.steps=3", "resume.allow_changes=[data]"});
  ASSERT_EQ(allowed.code, 0) << allowed.err;
  std::filesystem::remove(job_.path("texts/new.txt"));
  const ProcessResult result = train();
  EXPECT_EQ(result.code, 78) << result.err;
  EXPECT_NE(result.err.find("1 went (new.txt)"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace lockstep::testing
