// SPDX-License-Identifier: Apache-2.0
#include "memory/kept_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "support/page_faults.h"

namespace lockstep {
namespace {

constexpr std::size_t kMiB = 1u << 20;
constexpr std::size_t kSize = 512 * kMiB;

MemoryRoom no_limit() {
  return MemoryRoom([] { return std::numeric_limits<std::uint64_t>::max(); });
}

struct Memory : KeptMemory {
  explicit Memory(Backing backing = Backing::kPrivate, MemoryRoom room = no_limit())
      : KeptMemory(MemoryRange::reserve(kSize, backing), std::move(room)) {}

  std::byte* written(std::size_t bytes, int value = 1) {
    auto* block = static_cast<std::byte*>(take(bytes));
    if (block != nullptr) std::memset(block, value, bytes);
    return block;
  }
};

// What of a range lies in memory, by the kernel.
std::size_t resident(const KeptMemory& memory) {
  std::vector<unsigned char> pages(memory.size() / 4096);
  EXPECT_EQ(::mincore(memory.base(), memory.size(), pages.data()), 0);
  std::size_t here = 0;
  for (const unsigned char page : pages) here += (page & 1u) * 4096;
  return here;
}

// The result of a function in a child that forks.
template <class Work>
int in_child(Memory& memory, const Work& work) {
  memory.before_fork();
  const pid_t child = ::fork();
  if (child == 0) {
    memory.after_fork_in_child();
    ::_exit(work());
  }
  memory.after_fork_in_parent();
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class EachBacking : public ::testing::TestWithParam<Backing> {};

TEST_P(EachBacking, BlocksBeginOnPagesAndKnowTheirOffset) {
  Memory memory(GetParam());
  int outside = 0;
  for (const std::size_t bytes : {KeptMemory::kSmallest, 100'001ul, 3 * kMiB + 1}) {
    std::byte* block = memory.written(bytes);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 4096, 0u);
    EXPECT_EQ(memory.offset_of(block), static_cast<std::size_t>(block - memory.base()));
    EXPECT_EQ(memory.offset_of(block + bytes - 1),
              static_cast<std::size_t>(block - memory.base()) + bytes - 1);
  }
  EXPECT_FALSE(memory.offset_of(&outside));
  EXPECT_FALSE(memory.offset_of(memory.base() - 1));
  EXPECT_FALSE(memory.offset_of(memory.base() + memory.size()));
}

TEST_P(EachBacking, ASecondStepHasNoPageFaults) {
  Memory memory(GetParam());
  const auto step = [&] {
    std::vector<std::byte*> blocks;
    for (const std::size_t bytes : {8 * kMiB, 100 * kMiB, kMiB, 200'000ul})
      blocks.push_back(memory.written(bytes));
    for (std::byte* block : blocks) memory.give(block);
    memory.trim();
  };
  step();
  const std::size_t made = memory.use().made;
  const long before = page_faults();
  for (int i = 0; i < 20; ++i) step();
  EXPECT_LT(page_faults() - before, 20);
  EXPECT_EQ(memory.use().made, made);
  EXPECT_EQ(memory.use().blocks, 84u);
}

TEST_P(EachBacking, TrimGivesBackWhatNoStepOfLateHasHad) {
  Memory memory(GetParam());
  std::byte* kept = memory.written(20 * kMiB, 7);
  std::byte* large = memory.written(300 * kMiB);
  const std::size_t full = resident(memory);
  memory.trim();
  memory.give(large);
  const auto steps = [&](int count) {
    for (int step = 0; step < count; ++step) {
      memory.give(memory.written(10 * kMiB));
      memory.trim();
    }
  };
  steps(3);
  EXPECT_GE(memory.use().idle, 300 * kMiB);
  steps(4);
  EXPECT_LE(memory.use().idle, 12 * kMiB);
  EXPECT_GE(memory.use().idle, 10 * kMiB);
  EXPECT_LT(resident(memory) + 280 * kMiB, full);
  EXPECT_EQ(kept[0], std::byte{7});
  EXPECT_EQ(kept[20 * kMiB - 1], std::byte{7});
  // And it is there again when it is asked for, until it has not been for as long as any step is remembered.
  large = memory.written(300 * kMiB, 3);
  ASSERT_NE(large, nullptr);
  EXPECT_EQ(large[300 * kMiB - 1], std::byte{3});
  memory.give(large);
  steps(56);
  EXPECT_GE(memory.use().idle, 290 * kMiB);
  steps(70);
  EXPECT_LE(memory.use().idle, 12 * kMiB);
}

TEST_P(EachBacking, IdleMemoryIsBoundedWhereEveryStepNeedsAnotherPlace) {
  Memory memory(GetParam());
  // Runs of 40 to 46 MiB, kept apart by small blocks.
  std::vector<std::byte*> runs;
  for (std::size_t mib = 40; mib <= 46; ++mib) {
    runs.push_back(static_cast<std::byte*>(memory.take(mib * kMiB)));
    ASSERT_NE(memory.take(KeptMemory::kSmallest), nullptr);
  }
  for (std::byte* run : runs) memory.give(run);
  for (int step = 0; step < 130; ++step) memory.trim();
  const std::size_t made = memory.use().made;
  for (std::size_t mib = 40; mib <= 46; ++mib) {
    std::byte* block = memory.written(mib * kMiB);
    EXPECT_EQ(block, runs[mib - 40]);  // the smallest that is long enough
    memory.give(block);
    memory.trim();
    EXPECT_LE(memory.use().idle + memory.use().in_use, (mib + 1) * kMiB * 3 / 2 + 32 * kMiB);
  }
  EXPECT_EQ(memory.use().made, made + 7);
}

TEST_P(EachBacking, IdleMemoryGoesBackBeforeTheLimitIsReached) {
  std::uint64_t left = 1024 * kMiB;
  Memory memory(GetParam(), MemoryRoom([&] { return left; }));
  std::byte* idle = memory.written(200 * kMiB);
  std::byte* between = memory.written(4 * kMiB, 9);
  memory.give(idle);
  const std::size_t full = resident(memory);
  left = 100 * kMiB;
  std::byte* next = memory.written(220 * kMiB);  // does not fit in what is idle
  ASSERT_NE(next, nullptr);
  EXPECT_LT(memory.use().idle, 30 * kMiB);
  EXPECT_LT(resident(memory), full + 60 * kMiB);
  EXPECT_EQ(between[4 * kMiB - 1], std::byte{9});
}

TEST_P(EachBacking, IsThereForAllThreadsAndForBlocksThatOthersGiveBack) {
  Memory memory(GetParam());
  std::mutex mutex;
  std::vector<std::pair<std::byte*, std::size_t>> shelf;  // of all threads
  std::atomic<int> spoiled = 0;
  const auto work = [&](unsigned seed) {
    std::mt19937 dice(seed);
    for (int i = 0; i < 2000; ++i) {
      const std::size_t bytes = KeptMemory::kSmallest + dice() % (512u << 10);
      std::byte* block = static_cast<std::byte*>(memory.take(bytes));
      if (block == nullptr) continue;
      block[0] = block[bytes - 1] = static_cast<std::byte>(bytes);
      const std::lock_guard lock(mutex);
      shelf.emplace_back(block, bytes);
      if (shelf.size() < 40) continue;
      const std::size_t which = dice() % shelf.size();
      const auto [other, length] = shelf[which];
      if (other[0] != static_cast<std::byte>(length) || other[length - 1] != other[0]) ++spoiled;
      shelf.erase(shelf.begin() + static_cast<std::ptrdiff_t>(which));
      memory.give(other);
      if (dice() % 50 == 0) memory.trim();
    }
  };
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 4; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(spoiled, 0);
  for (const auto& [block, length] : shelf) memory.give(block);
  EXPECT_EQ(memory.use().in_use, 0u);
}

INSTANTIATE_TEST_SUITE_P(, EachBacking, ::testing::Values(Backing::kPrivate, Backing::kShared),
                         [](const auto& one) {
                           return one.param == Backing::kPrivate ? "Private" : "Shared";
                         });

TEST(KeptMemory, SaysWhenTheRangeIsFull) {
  Memory memory;
  EXPECT_EQ(memory.take(kSize + 1), nullptr);
  EXPECT_EQ(memory.take(std::size_t{64} << 40), nullptr);
  EXPECT_NE(memory.take(kSize), nullptr);
  EXPECT_EQ(memory.take(KeptMemory::kSmallest), nullptr);
}

TEST(SharedMemory, IsReadThroughASecondMapping) {
  Memory memory(Backing::kShared);
  std::byte* block = memory.written(3 * kMiB, 5);
  void* second = ::mmap(nullptr, memory.size(), PROT_READ, MAP_SHARED, memory.descriptor(), 0);
  ASSERT_NE(second, MAP_FAILED);
  const auto* seen = static_cast<const std::byte*>(second) + memory.offset_of(block).value();
  EXPECT_EQ(seen[0], std::byte{5});
  std::memset(block, 6, 3 * kMiB);
  EXPECT_EQ(seen[3 * kMiB - 1], std::byte{6});
  // What was given back to the system reads as zeros through the other mapping, and is no error.
  memory.give(block);
  for (int step = 0; step < 70; ++step) memory.trim();
  std::byte* large = memory.written(200 * kMiB, 1);
  memory.give(large);
  for (int step = 0; step < 70; ++step) memory.trim();
  EXPECT_EQ(static_cast<const std::byte*>(second)[150 * kMiB], std::byte{0});
  ::munmap(second, memory.size());
}

TEST(SharedMemory, CannotBeCutAndIsNotInherited) {
  Memory memory(Backing::kShared);
  EXPECT_NE(::ftruncate(memory.descriptor(), 4096), 0);
  EXPECT_NE(::fcntl(memory.descriptor(), F_GETFD) & FD_CLOEXEC, 0);
  struct stat file {};
  ASSERT_EQ(::fstat(memory.descriptor(), &file), 0);
  EXPECT_EQ(file.st_nlink, 0u);
  EXPECT_EQ(static_cast<std::size_t>(file.st_size), memory.size());
}

TEST(SharedMemory, IsLeftAloneByAChildThatForks) {
  Memory memory(Backing::kShared);
  std::byte* block = memory.written(50 * kMiB, 4);
  const int code = in_child(memory, [&] {
    if (memory.take(kMiB) != nullptr) return 1;
    memory.give(block);
    for (int step = 0; step < 70; ++step) memory.trim();
    return 0;
  });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(block[0], std::byte{4});
  EXPECT_EQ(block[50 * kMiB - 1], std::byte{4});
  EXPECT_EQ(memory.use().in_use, 50 * kMiB);
}

TEST(PrivateMemory, IsAChildsOwnAfterAFork) {
  Memory memory;
  std::byte* block = memory.written(50 * kMiB, 4);
  const int code = in_child(memory, [&] {
    if (block[50 * kMiB - 1] != std::byte{4}) return 1;
    std::memset(block, 9, 50 * kMiB);
    memory.give(block);
    std::byte* own = memory.written(60 * kMiB, 8);
    if (own == nullptr) return 2;
    for (int step = 0; step < 70; ++step) memory.trim();
    return own[60 * kMiB - 1] == std::byte{8} ? 0 : 3;
  });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(block[0], std::byte{4});
  EXPECT_EQ(block[50 * kMiB - 1], std::byte{4});
  EXPECT_EQ(memory.use().in_use, 50 * kMiB);
}

TEST(MemoryRange, TakesLessWhereTheProcessMayNotHaveMore) {
  // In a child, because a limit cannot be raised again by everybody.
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit limit{std::size_t{4} << 30, std::size_t{4} << 30};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) ::_exit(2);
    const auto range = MemoryRange::reserve(std::size_t{1} << 40, Backing::kShared);
    ::_exit(range != nullptr && range->size() <= std::size_t{2} << 30 ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(MemoryRoom, LooksSeldomWhereThereIsMuch) {
  int looks = 0;
  MemoryRoom room([&] { return ++looks, std::uint64_t{64} << 30; });
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(room.missing(2 * kMiB), 0u);
  EXPECT_LE(looks, 3);
}

TEST(MemoryRoom, SaysWhatIsMissing) {
  MemoryRoom room([] { return 100 * kMiB; });
  EXPECT_EQ(room.missing(36 * kMiB), 0u);
  EXPECT_EQ(room.missing(50 * kMiB), 14 * kMiB);
}

}  // namespace
}  // namespace lockstep
