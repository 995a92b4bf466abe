// SPDX-License-Identifier: Apache-2.0
#include "drill/drilled_run.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "drill/drill_table.h"
#include "drill/life_story.h"
#include "drill/rank_processes.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::TempDir;
using testing::write_file;

const std::map<std::int64_t, std::string> kCommits = {{50, "a"}, {100, "b"}, {150, "c"}, {200, "d"}};

StruckFault kill_after(std::int64_t step, std::int64_t resumed_from) {
  StruckFault fault;
  fault.plan = {.ranks = 2, .rank = 1, .step = step};
  fault.step = fault.newest = step;
  fault.detect_s = 0.25;
  fault.restart_s = 1.5;
  fault.next_ranks = 2;
  fault.newest_commit = fault.resumed_from = resumed_from;
  return fault;
}

DrilledRun run_with(std::map<std::int64_t, std::string> commits, std::vector<StruckFault> faults) {
  DrilledRun run;
  run.commits = std::move(commits);
  run.faults = std::move(faults);
  return run;
}

TEST(DrilledRun, ThatSavedTheSameHasTheSameBits) {
  const DrilledRun plain = run_with(kCommits, {});
  DrilledRun struck = run_with(kCommits, {kill_after(60, 50), kill_after(170, 150)});
  EXPECT_TRUE(compare_commits(plain, struck));
  EXPECT_EQ(struck.faults[0].same, true);
  EXPECT_EQ(struck.faults[1].same, true);
  EXPECT_THAT(what_went_wrong(struck, true), IsEmpty());
  EXPECT_THAT(drill_table(struck.faults, ""), HasSubstr("kill   1     60    2      0.25       1.50"));
}

TEST(DrilledRun, ThatDiffersNamesTheFaultAfterWhichItDoes) {
  const DrilledRun plain = run_with(kCommits, {});
  DrilledRun struck = run_with({{50, "a"}, {100, "b"}, {150, "x"}, {200, "y"}},
                               {kill_after(60, 50), kill_after(120, 100), kill_after(170, 150)});
  EXPECT_FALSE(compare_commits(plain, struck));
  EXPECT_EQ(struck.faults[0].same, true);
  EXPECT_EQ(struck.faults[1].same, false);
  EXPECT_EQ(struck.faults[2].same, false);
  EXPECT_THAT(what_went_wrong(struck, false), ElementsAre("the bits are not the same"));
  const std::string table = drill_table(struck.faults, "model/0.weight");
  EXPECT_THAT(table, HasSubstr("no: model/0.weight\nkill"));
  EXPECT_THAT(table, HasSubstr("  no\n"));
}

TEST(DrilledRun, ThatEndsElsewhereDiffersThoughAllElseIsEqual) {
  const DrilledRun plain = run_with(kCommits, {});
  DrilledRun struck = run_with({{50, "a"}, {100, "b"}}, {kill_after(60, 50)});
  EXPECT_FALSE(compare_commits(plain, struck));
  DrilledRun nothing;
  EXPECT_FALSE(compare_commits(plain, nothing));
  EXPECT_FALSE(compare_commits(nothing, nothing));
}

TEST(DrilledRun, IsComparedWhereBothHaveSaved) {
  const DrilledRun plain = run_with({{90, "p"}, {200, "d"}}, {});
  DrilledRun struck = run_with({{60, "q"}, {200, "d"}}, {kill_after(70, 60)});
  EXPECT_TRUE(compare_commits(plain, struck));
  EXPECT_EQ(struck.faults[0].same, true);
}

TEST(DrilledRun, TellsALostCommit) {
  StruckFault fault = kill_after(120, 50);
  fault.newest_commit = 100;
  EXPECT_TRUE(fault.lost_commit());
  EXPECT_EQ(fault.steps_lost(), 70);
  const DrilledRun run = run_with(kCommits, {fault});
  EXPECT_THAT(what_went_wrong(run, true),
              ElementsAre("the kill of rank 1 after step 120 lost the checkpoint of step 100"));
  EXPECT_THAT(drill_table(run.faults, ""), HasSubstr("70, commit 100 lost"));
}

TEST(DrilledRun, ThatEndedBeforeAFaultIsNoSuccess) {
  StruckFault fault;
  fault.plan = {.ranks = 2, .rank = 0, .step = 190};
  const DrilledRun run = run_with(kCommits, {fault});
  EXPECT_THAT(what_went_wrong(run, true),
              ElementsAre("the kill of rank 0 after step 190 was not struck: the run had ended"));
  EXPECT_THAT(drill_table(run.faults, ""), HasSubstr("not struck"));
  EXPECT_EQ(drill_rows(run.faults)[0]["detect_s"], nullptr);
}

TEST(DrilledRun, ThatNeverCameBackSaysSo) {
  StruckFault fault = kill_after(60, 50);
  fault.restart_s.reset();
  DrilledRun run = run_with({{50, "a"}}, {fault});
  run.code = 93;
  EXPECT_THAT(drill_table(run.faults, ""), HasSubstr("did not come back"));
  EXPECT_THAT(what_went_wrong(run, false), ElementsAre("the disturbed run ended with 93"));
  run.code = 0;
  EXPECT_THAT(what_went_wrong(run, true), ElementsAre("the kill of rank 1 after step 60 did not come back"));
}

class Story : public ::testing::Test {
 protected:
  void events(const std::string& lines) { write_file(folder_ / "events.jsonl", all_events_ += lines); }
  void metrics(const std::string& lines) { write_file(folder_ / "metrics.jsonl", all_metrics_ += lines); }

  TempDir folder_;
  std::string all_events_;
  std::string all_metrics_;
  LifeStory story_{folder_.path()};
};

TEST_F(Story, FollowsALifeToItsEndAndTheNextOne) {
  EXPECT_FALSE(story_.read());
  events(R"({"attempt":1,"event":"attempt_trains","step":1})"
         "\n");
  metrics(R"({"step":1,"attempt":1})"
          "\n"
          R"({"step":2,"attempt":1})"
          "\n");
  EXPECT_TRUE(story_.read());
  EXPECT_TRUE(story_.trains());
  EXPECT_EQ(story_.step(), 2);
  events(R"({"attempt":1,"event":"checkpoint_saved","step":2,"state_hash":"aa"})"
         "\n"
         R"({"attempt":1,"event":"attempt_end","code":137,"cause":"killed","end_s":0.5})"
         "\n");
  EXPECT_TRUE(story_.read());
  EXPECT_FALSE(story_.trains());
  EXPECT_FALSE(story_.has_committed_in_this_life());
  EXPECT_EQ(story_.ends(), 1);
  EXPECT_EQ(story_.last_end().code, 137);
  EXPECT_EQ(story_.last_end().step, 2);
  EXPECT_EQ(story_.newest_commit(), 2);
  EXPECT_EQ(story_.step(), 0);
  events(R"({"attempt":2,"event":"attempt_begin","ranks":3})"
         "\n"
         R"({"attempt":2,"event":"attempt_trains","step":3})"
         "\n");
  EXPECT_TRUE(story_.read());
  EXPECT_EQ(story_.lives(), 2);
  EXPECT_EQ(story_.resumed_from(), 2);
  EXPECT_EQ(story_.ranks(), 3);
  EXPECT_FALSE(story_.read());
}

TEST_F(Story, KnowsOfALifeThatIsOverWhenItIsSeen) {
  events(R"({"attempt":1,"event":"attempt_trains","step":1})"
         "\n"
         R"({"attempt":1,"event":"attempt_end","code":0})"
         "\n");
  story_.read();
  EXPECT_FALSE(story_.trains());
  EXPECT_EQ(story_.lives(), 1);
}

TEST_F(Story, DoesNotTakeHalfALineForOne) {
  metrics(R"({"step":1,"attempt":1})"
          "\n"
          R"({"step":2,"att)");
  events(R"({"attempt":1,"event":"attempt_trains","step":1})"
         "\n");
  EXPECT_TRUE(story_.read());
  EXPECT_EQ(story_.step(), 1);
  metrics(R"(empt":1})"
          "\n");
  EXPECT_TRUE(story_.read());
  EXPECT_EQ(story_.step(), 2);
  metrics("{\"torn\":\nnot json\n[3]\n");
  EXPECT_TRUE(story_.read());
  EXPECT_EQ(story_.step(), 2);
}

TEST_F(Story, SeesAStepThatWasSavedTwiceWithOtherBits) {
  events(R"({"attempt":1,"event":"checkpoint_saved","step":5,"state_hash":"aa"})"
         "\n"
         R"({"attempt":2,"event":"checkpoint_saved","step":5,"state_hash":"aa"})"
         "\n");
  story_.read();
  EXPECT_FALSE(story_.contradiction().has_value());
  events(R"({"attempt":3,"event":"checkpoint_saved","step":5,"state_hash":"bb"})"
         "\n");
  story_.read();
  EXPECT_EQ(story_.contradiction(), 5);
}

// What is told of a job that gives no news.
TEST(FamilyOf, NamesWhatLivesAndItsState) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  ::kill(child, SIGSTOP);
  ASSERT_EQ(::waitpid(child, nullptr, WUNTRACED), child);
  EXPECT_THAT(family_of(::getpid()), AllOf(HasSubstr(fmt::format(", {} ", child)), HasSubstr("(T)")));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_THAT(family_of(::getpid()), Not(HasSubstr(std::to_string(child))));
  EXPECT_EQ(family_of(child), "none");
}

}  // namespace
}  // namespace lockstep
