// SPDX-License-Identifier: Apache-2.0
#include "tensors/in_parallel.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace lockstep {
namespace {

class InParallel : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override { at::set_num_threads(GetParam()); }
  void TearDown() override { at::set_num_threads(before_); }

 private:
  const int before_ = at::get_num_threads();
};

TEST_P(InParallel, HasAsManyThreadsAtOnceAsLibTorchHasBeenTold) {
  std::atomic<int> inside{0};
  std::mutex mutex;
  std::set<std::thread::id> threads;
  in_parallel(0, GetParam(), 1, [&](std::int64_t, std::int64_t) {
    ++inside;
    // All of them are inside before one leaves.
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (inside < GetParam() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), static_cast<std::size_t>(GetParam()));
}

TEST_P(InParallel, GoesOverEachNumberOnce) {
  std::vector<int> times(1001);
  in_parallel(1, 1001, 7, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) ++times[static_cast<std::size_t>(i)];
  });
  EXPECT_EQ(times[0], 0);
  EXPECT_EQ(std::count(times.begin(), times.end(), 1), 1000);
}

TEST_P(InParallel, RethrowsWhatTheWorkThrows) {
  EXPECT_THROW(in_parallel(0, 100, 1, [](std::int64_t, std::int64_t) { throw std::runtime_error("x"); }),
               std::runtime_error);
}

TEST_P(InParallel, IsAloneOnAThreadThatComputesAloneAndThereOnly) {
  std::thread([] {
    compute_alone();
    EXPECT_EQ(at::get_num_threads(), 1);
    int calls = 0;
    in_parallel(0, 1000, 1, [&](std::int64_t, std::int64_t) { ++calls; });
    EXPECT_EQ(calls, 1);
  }).join();
  EXPECT_EQ(at::get_num_threads(), GetParam());
  std::thread([] { EXPECT_EQ(at::get_num_threads(), GetParam()); }).join();
}

INSTANTIATE_TEST_SUITE_P(Threads, InParallel, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace lockstep
