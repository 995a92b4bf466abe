// SPDX-License-Identifier: Apache-2.0
#include "supervise/line_server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "run/supervisor_line.h"

namespace lockstep {
namespace {

// Takes until it holds, for two seconds at most.
bool hears(LineServer& listener, const std::function<bool(const AttemptStory&)>& holds) {
  for (int i = 0; i < 200; ++i) {
    listener.hear();
    if (holds(listener.story())) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST(LineServer, HearsTheStoryOfAnAttempt) {
  LineServer listener(/*all_addresses=*/true);
  EXPECT_EQ(listener.story().reach(), Reach::kNothing);
  SupervisorLine rank0;
  rank0.join(listener.address(), Rank(0));
  rank0.started({"/runs/a", Attempt(2), 4});
  EXPECT_TRUE(hears(listener, [](const AttemptStory& story) { return !story.run_directory.empty(); }));
  EXPECT_EQ(listener.story().reach(), Reach::kRanks);
  EXPECT_EQ(listener.story().attempt, 2);
  rank0.resumed(Step(6));
  rank0.progress(Step(7));
  rank0.committed(Step(7));
  EXPECT_TRUE(hears(listener, [](const AttemptStory& story) { return story.committed == 7; }));
  EXPECT_EQ(listener.story().reach(), Reach::kTraining);
  EXPECT_EQ(listener.story().step, 7);
  rank0.ended(ExitCode::kRequeue);
  EXPECT_TRUE(hears(listener, [](const AttemptStory& story) { return story.ended == 75; }));
}

TEST(LineServer, TheFirstFaultOfAnyRankCounts) {
  LineServer listener(false);
  SupervisorLine rank3;
  rank3.join(listener.address(), Rank(3));
  rank3.progress(Step(9));
  rank3.fault(ExitCode::kStorage, "the disk is full", "node2");
  ASSERT_TRUE(hears(listener, [](const AttemptStory& story) { return story.fault.has_value(); }));
  SupervisorLine rank0;
  rank0.join(listener.address(), Rank(0));
  rank0.fault(ExitCode::kBug, "a peer is gone");
  rank0.ended(ExitCode::kBug);
  ASSERT_TRUE(hears(listener, [](const AttemptStory& story) { return story.ended.has_value(); }));
  EXPECT_EQ(listener.story().fault->code, 74);
  EXPECT_EQ(listener.story().fault->step, 9);
  EXPECT_EQ(listener.story().fault->host, "node2");
}

TEST(LineServer, AnAttemptOfBeforeAndAStrangerAreNotHeard) {
  LineServer listener(false);
  const std::string before = listener.address();
  listener.begin_attempt();
  SupervisorLine old;
  old.join(before, Rank(0));
  old.committed(Step(5));
  EXPECT_FALSE(hears(listener, [](const AttemptStory& story) { return story.joined.has_value(); }));
}

TEST(LineServer, OfAReservedAttemptThatHasBegunTheRanksAloneAreHeard) {
  LineServer listener(false);
  const std::string next = listener.reserve();
  const std::string thrown_away = listener.reserve();
  EXPECT_NE(next, thrown_away);
  EXPECT_NE(next, listener.address());
  const std::string before = listener.address();
  listener.begin_attempt(next);
  EXPECT_EQ(listener.address(), next);
  EXPECT_EQ(listener.token(), next.substr(0, next.find('@')));
  SupervisorLine old;
  old.join(before, Rank(0));
  old.started({"/runs/old", Attempt(1), 2});
  SupervisorLine stray;
  stray.join(thrown_away, Rank(0));
  stray.started({"/runs/stray", Attempt(3), 2});
  EXPECT_FALSE(hears(listener, [](const AttemptStory& story) { return story.joined.has_value(); }));
  SupervisorLine rank0;
  EXPECT_TRUE(rank0.pass_gate(""));
  rank0.join(next, Rank(0));
  rank0.started({"/runs/a", Attempt(2), 2});
  EXPECT_TRUE(hears(listener, [](const AttemptStory& story) { return story.run_directory == "/runs/a"; }));
  EXPECT_TRUE(listener.story().knows_gates);
}

}  // namespace
}  // namespace lockstep
