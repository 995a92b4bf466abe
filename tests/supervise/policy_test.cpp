// SPDX-License-Identifier: Apache-2.0
#include "supervise/policy.h"

#include <gtest/gtest.h>

#include <ostream>
#include <vector>

namespace lockstep {
namespace {

using std::chrono::milliseconds;

// What the table below is made of: an end of an attempt, in a few words.
AttemptFacts died(int code, Reach reach = Reach::kTraining) {
  AttemptFacts facts;
  facts.code = code;
  facts.reach = reach;
  return facts;
}

AttemptFacts committed(AttemptFacts facts, std::int64_t step = 3) {
  facts.committed = step;
  return facts;
}

AttemptFacts with_fault(int code, std::int64_t step, const std::string& message) {
  AttemptFacts facts = died(code);
  facts.fault = ReportedFault{code, step, message, ""};
  return facts;
}

AttemptFacts by(Circumstance circumstance, int code = 1, Reach reach = Reach::kNothing) {
  AttemptFacts facts = died(code, reach);
  facts.circumstance = circumstance;
  return facts;
}

AttemptFacts asked_to_stop(int signal, AttemptFacts facts) {
  facts.stop_signal = signal;
  return facts;
}

// The judgements over the lives of a job.
std::vector<Decision> lives(const std::vector<AttemptFacts>& attempts, const PolicyOptions& options = {}) {
  History history;
  std::vector<Decision> out;
  for (const AttemptFacts& facts : attempts) out.push_back(judge(options, facts, history));
  return out;
}

Decision last(const std::vector<AttemptFacts>& attempts, const PolicyOptions& options = {}) {
  return lives(attempts, options).back();
}

struct Row {
  const char* claim;
  std::vector<AttemptFacts> attempts;
  Action action;
  int code;
  bool can_requeue = false;
};

std::ostream& operator<<(std::ostream& out, const Row& row) {
  return out << row.claim;
}

class PolicyTable : public ::testing::TestWithParam<Row> {};

TEST_P(PolicyTable, JudgesTheLastAttempt) {
  const Row& row = GetParam();
  PolicyOptions options;
  options.can_requeue = row.can_requeue;
  const Decision decision = last(row.attempts, options);
  EXPECT_EQ(decision.action, row.action) << row.claim;
  EXPECT_EQ(decision.code, row.code) << row.claim;
}

std::vector<AttemptFacts> times(int count, const AttemptFacts& facts) {
  return std::vector<AttemptFacts>(static_cast<std::size_t>(count), facts);
}

std::vector<AttemptFacts> after(AttemptFacts first, const AttemptFacts& second) {
  return {std::move(first), second};
}

const AttemptFacts kTrained = committed(died(137));

const std::vector<Row> kTable = {
    {"0 is done", {died(0)}, Action::kDone, 0},
    {"75 without a batch system ends", {died(75)}, Action::kGiveUp, 75},
    {"75 in a batch job goes back", {died(75)}, Action::kRequeue, 75, true},
    {"a config that is wrong is told", {died(78, Reach::kRanks)}, Action::kGiveUp, 78},
    {"a missing input is told", {died(66, Reach::kRanks)}, Action::kGiveUp, 66},
    {"a full disk is told", {died(74)}, Action::kGiveUp, 74},
    {"another job's run is left alone", {died(77, Reach::kRanks)}, Action::kGiveUp, 77},
    {"a run that diverged is not started again", {died(93)}, Action::kGiveUp, 93},
    {"a killed rank is started again", {died(137)}, Action::kRestart, 0},
    {"a lost peer is started again", {died(76)}, Action::kRestart, 0},
    {"a crash is started again", {died(1)}, Action::kRestart, 0},
    {"a bug is tried once more", {died(70)}, Action::kRestart, 0},
    {"a bug is not tried a third time", times(2, died(70)), Action::kGiveUp, 70},
    {"three fruitless restarts are enough", times(4, died(137)), Action::kGiveUp, 93},
    {"two are not", times(3, died(137)), Action::kRestart, 0},
    {"restarts that save go on for ever", times(50, committed(died(137))), Action::kRestart, 0},
    {"the same fault at the same step is not tried a third time",
     times(2, with_fault(1, 7, "index 9 out of range")), Action::kGiveUp, 93},
    {"the same fault at another step is",
     {with_fault(1, 7, "out of range"), with_fault(1, 8, "out of range")},
     Action::kRestart,
     0},
    {"a SEGV at the same step is not tried a third time", times(2, died(139)), Action::kGiveUp, 93},
    {"a hang at the same step is: networks heal", times(3, with_fault(76, 7, "rank 1 hangs")),
     Action::kRestart, 0},

    {"an unreachable host is waited for", times(100, by(Circumstance::kUnreachable, 255)), Action::kWait, 0},
    {"a launcher that was killed is no fault of the program", times(9, by(Circumstance::kLauncher, 137)),
     Action::kWait, 0},
    {"the job's own former life is waited for", times(9, by(Circumstance::kFormerLife, 77, Reach::kRanks)),
     Action::kWait, 0},
    {"no room from the first start on is told", {by(Circumstance::kNoSpace)}, Action::kGiveUp, 69},
    {"no room on a later start is waited for", after(kTrained, by(Circumstance::kNoSpace)), Action::kWait, 0},
    {"what cannot start the first time is told", {died(69, Reach::kRanks)}, Action::kGiveUp, 69},
    {"what could start before and cannot now is waited for", after(kTrained, died(69, Reach::kRanks)),
     Action::kWait, 0},
    {"memory that runs out in a step is told", after(kTrained, died(69)), Action::kGiveUp, 69},
    {"a start without a rank counts, before anything ran", times(4, died(127, Reach::kNothing)),
     Action::kGiveUp, 93},
    {"and is waited for, once something ran", after(kTrained, died(1, Reach::kNothing)), Action::kWait, 0},

    {"asked to stop and saved", {asked_to_stop(2, died(75))}, Action::kGiveUp, 75},
    {"asked to stop, and it ended by itself", {asked_to_stop(2, died(0))}, Action::kDone, 0},
    {"asked to stop, and it was killed", {asked_to_stop(2, died(137))}, Action::kGiveUp, 130},
    {"asked to stop in a wait", {asked_to_stop(15, by(Circumstance::kUnreachable))}, Action::kGiveUp, 143},

    {"a cancelled job does not come back", {by(Circumstance::kCancelled, 75)}, Action::kGiveUp, 75, true},
    {"a preempted job goes back, saved", {by(Circumstance::kPreempted, 75)}, Action::kRequeue, 75, true},
    {"or not", times(9, by(Circumstance::kPreempted, 143)), Action::kRequeue, 75, true},
    {"a job whose time is up goes back", {by(Circumstance::kTimeLimit, 143)}, Action::kRequeue, 75, true},
    {"a job whose node failed goes back", times(9, by(Circumstance::kNode)), Action::kRequeue, 75, true},
    {"a batch job restarts in place where its place is good", {died(137)}, Action::kRestart, 0, true},

    {"a program that does not speak and dies early four times", times(4, died(1, Reach::kUnknown)),
     Action::kGiveUp, 93},
};

INSTANTIATE_TEST_SUITE_P(Ends, PolicyTable, ::testing::ValuesIn(kTable));

TEST(Policy, FirstRestartIsAtOnceThenThePauseDoublesToThirtyTimesTheFirst) {
  PolicyOptions options;
  options.first_pause = milliseconds(10);
  History history;
  std::vector<int> pauses;
  for (int i = 0; i < 9; ++i) {
    history.fruitless = 0;  // the limit is another rule
    pauses.push_back(static_cast<int>(judge(options, died(137), history).pause.count()));
  }
  EXPECT_EQ(pauses, (std::vector<int>{0, 10, 20, 40, 80, 160, 300, 300, 300}));
}

TEST(Policy, ANewCommitStartsCountAndPauseAnew) {
  const std::vector<Decision> decisions =
      lives({died(1), died(1), committed(died(1)), died(1), died(1), committed(died(1)), died(1)});
  std::vector<int> pauses;
  for (const Decision& decision : decisions) pauses.push_back(static_cast<int>(decision.pause.count()));
  EXPECT_EQ(pauses, (std::vector<int>{0, 1000, 0, 1000, 2000, 0, 1000}));
  EXPECT_EQ(decisions.back().action, Action::kRestart);
}

TEST(Policy, WaitsGrowToMinutesAndBeginAnewWhenItTrained) {
  History history;
  milliseconds longest{0};
  for (int i = 0; i < 40; ++i)
    longest = std::max(longest, judge({}, by(Circumstance::kUnreachable), history).pause);
  EXPECT_EQ(longest, std::chrono::seconds(300));
  judge({}, committed(died(137)), history);
  EXPECT_EQ(judge({}, by(Circumstance::kUnreachable), history).pause, milliseconds(1000));
}

TEST(Policy, WhatIsWaitedForDoesNotCountAsFruitless) {
  History history;
  for (int i = 0; i < 30; ++i) judge({}, by(Circumstance::kUnreachable), history);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(judge({}, died(137), history).action, Action::kRestart) << i;
  EXPECT_EQ(judge({}, died(137), history).code, 93);
}

TEST(Policy, AHostThatFailedTwiceIsDroppedWhereThatIsAllowed) {
  AttemptFacts lost = by(Circumstance::kUnreachable);
  lost.bad_hosts = {"node2"};
  PolicyOptions options;
  EXPECT_TRUE(last({lost, lost}, options).drop_hosts.empty());
  options.may_drop_hosts = true;
  EXPECT_TRUE(last({lost}, options).drop_hosts.empty());
  const Decision second = last({lost, lost}, options);
  EXPECT_EQ(second.drop_hosts, std::vector<std::string>{"node2"});
  EXPECT_EQ(second.action, Action::kWait);
  EXPECT_EQ(second.pause.count(), 0);
}

TEST(Policy, AHostThatHangsTwiceIsDroppedToo) {
  AttemptFacts hung = with_fault(76, 5, "rank 3 on node2 does not answer");
  hung.bad_hosts = {"node2"};
  PolicyOptions options;
  options.may_drop_hosts = true;
  EXPECT_EQ(last({hung, hung}, options).drop_hosts, std::vector<std::string>{"node2"});
}

TEST(Policy, SaysWhy) {
  AttemptFacts away = by(Circumstance::kUnreachable, 255);
  away.detail = "ssh: connect to host node2: No route to host";
  EXPECT_EQ(last({away}).reason, "a host cannot be reached: ssh: connect to host node2: No route to host");
  EXPECT_EQ(last({died(139)}).reason, "code 139 (killed by signal 11)");
  EXPECT_EQ(last({died(255)}).reason, "code 255 (the launcher, or ssh, failed)");
}

}  // namespace
}  // namespace lockstep
