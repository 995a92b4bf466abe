// SPDX-License-Identifier: Apache-2.0
#include "lockstep/comm/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "comm/loopback/loopback_world.h"
#include "comm/watch/link.h"
#include "comm/watch/stacks.h"
#include "comm/watch/watchdog.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

TEST(Watch, ScopesOfPhasesEndWhereTheyBegan) {
  Watch watch;
  watch.enter(Phase::kBetween);
  {
    const PhaseScope save(watch, Phase::kSave);
    EXPECT_EQ(watch.look().phase, Phase::kSave);
    const PhaseScope evaluation(watch, Phase::kEvaluation);
    EXPECT_EQ(watch.look().phase, Phase::kEvaluation);
  }
  EXPECT_EQ(watch.look().phase, Phase::kBetween);
}

TEST(Watch, EveryCallThroughAWorldIsInTheRing) {
  World world = world_of_one();
  std::int64_t value = 3;
  const MutableSpan span{&value, 1, DType::kInt64};
  world.host().all_reduce(span, span, ReduceOp::kSum);
  world.device().broadcast(span, Rank{0});
  world.host().barrier();
  const auto ring = world.watch().ring();
  EXPECT_STREQ(ring[Watch::kRing - 3].name, "all_reduce");
  EXPECT_EQ(ring[Watch::kRing - 3].bytes, 8u);
  EXPECT_STREQ(ring[Watch::kRing - 2].name, "broadcast");
  EXPECT_STREQ(ring[Watch::kRing - 1].name, "barrier");
  EXPECT_EQ(ring[Watch::kRing - 1].sequence, 3);
  EXPECT_GE(ring[Watch::kRing - 1].ended_ns, ring[Watch::kRing - 1].began_ns);
}

TEST(Watch, ReservedCollectivesAreOfOneThreadAlone) {
  World world = world_of_one();
  std::jthread([&] {
    world.watch().reserve_collectives(std::this_thread::get_id());
    world.host().barrier();
  }).join();
  EXPECT_THROW(world.host().barrier(), Bug);
  world.watch().reserve_collectives({});
  world.host().barrier();
  EXPECT_EQ(world.watch().ring()[Watch::kRing - 1].sequence, 2);
}

TEST(Watch, ABlockIsTheMedianOfItsSteps) {
  Watch watch;
  for (int i = 0; i < Watch::kBlock; ++i) watch.worked(i == 7 ? 100.0 : 0.25);
  EXPECT_EQ(watch.look().block, 1);
  EXPECT_EQ(watch.look().block_s, 0.25);
}

void wait_for_ever(std::mutex& mutex, std::condition_variable& changed, bool& over) {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return over; });
}

TEST(Stacks, ShowEveryOtherThread) {
  prepare_stacks();
  std::mutex mutex;
  std::condition_variable changed;
  bool over = false;
  std::thread waiting([&] { wait_for_ever(mutex, changed, over); });
  std::string all;
  // The other one may not have come to its wait yet.
  std::thread asking([&] {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    do {
      all.clear();
      for (const ThreadStack& stack : take_stacks()) all += text_of(stack);
    } while (all.find("pthread_cond_wait") == std::string::npos && std::chrono::steady_clock::now() < limit);
  });
  asking.join();
  {
    const std::lock_guard lock(mutex);
    over = true;
  }
  changed.notify_all();
  waiting.join();
  EXPECT_THAT(all, HasSubstr("pthread_cond_wait"));
  EXPECT_THAT(all, HasSubstr("(S):"));
  EXPECT_EQ(all.find("does not answer"), std::string::npos) << all;
}

TEST(Link, CarriesMessagesInPiecesAndSeesTheEnd) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  WatchLink here{Descriptor(ends[0])};
  std::vector<WatchMessage> got;
  {
    WatchLink there{Descriptor(ends[1])};
    for (int i = 0; i < 3; ++i) there.send({WatchMessage::kStack, i, std::string(9000, 'x')});
    EXPECT_TRUE(here.receive(got));
  }
  EXPECT_FALSE(here.receive(got));
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[2].rank, 2);
  EXPECT_EQ(got[2].body, std::string(9000, 'x'));
}

TEST(Link, BytesOfSomebodyElseEndIt) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  WatchLink here{Descriptor(ends[0])};
  ASSERT_GT(::write(ends[1], "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27), 0);
  std::vector<WatchMessage> got;
  EXPECT_FALSE(here.receive(got));
  EXPECT_TRUE(got.empty());
  ::close(ends[1]);
}

TEST(Link, RankZeroIsFoundThroughOneOfItsAddresses) {
  WatchAddress address;
  const Descriptor listener = listen_for_watchdogs(address);
  ASSERT_GE(listener.get(), 0);
  EXPECT_EQ(std::string(address.token).size(), 30u);
  EXPECT_GE(connect_to_watchdog(address).get(), 0);
}

// In a process of its own, which it ends. The phase has ended before, so it has a usual length.
TEST(WatchdogDeath, AloneEndsAProcessWhoseLoopHangs) {
  EXPECT_EXIT(
      {
        Watchdog watchdog({.limit_s = 0.5, .floor_s = 0.5});
        World world = world_of_one();
        world.watch().enter(Phase::kBetween);
        { const PhaseScope data(world.watch(), Phase::kData); }
        watchdog.join(world);
        const PhaseScope data(world.watch(), Phase::kData);
        std::this_thread::sleep_for(std::chrono::seconds(20));
      },
      ::testing::ExitedWithCode(76), "rank 0 is in data for");
}

}  // namespace
}  // namespace lockstep
