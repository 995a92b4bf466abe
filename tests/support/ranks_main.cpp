// SPDX-License-Identifier: Apache-2.0
#include "support/ranks_main.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "comm/agree.h"
#include "comm/launch/job.h"

namespace lockstep {
namespace {

std::unique_ptr<World>& world_slot() {
  static std::unique_ptr<World> world;
  return world;
}

// A minute; LOCKSTEP_TEST_HANG_S is for the test of this watch itself.
std::chrono::seconds hang_limit() {
  const char* set = std::getenv("LOCKSTEP_TEST_HANG_S");
  return std::chrono::seconds(set != nullptr ? std::atoi(set) : 60);
}

// Ends the whole run, naming the case, when one case takes longer than the limit.
class HangWatch {
 public:
  explicit HangWatch(Rank rank) : rank_(rank), thread_([this](std::stop_token stop) { watch(stop); }) {}

  void now_running(std::string name) {
    const std::lock_guard lock(mutex_);
    case_ = std::move(name);
    ++changes_;
    changed_.notify_all();
  }

 private:
  void watch(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      const long seen = changes_;
      if (changed_.wait_for(lock, stop, limit_, [&] { return changes_ != seen; })) continue;
      if (stop.stop_requested() || case_.empty()) continue;
      std::fprintf(stderr, "[rank %d] HANGS: %s (%lld s without an end)\n", rank_.value, case_.c_str(),
                   static_cast<long long>(limit_.count()));
      abort_job(ExitCode::kPeerLost);
    }
  }

  const Rank rank_;
  const std::chrono::seconds limit_ = hang_limit();
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::string case_;
  long changes_ = 0;
  std::jthread thread_;  // last: it uses all of the above
};

// Failures of every rank, each with its rank in front; and the end of a run whose ranks no longer do the
// same.
class RankReporter : public testing::EmptyTestEventListener {
 public:
  RankReporter(Rank rank, HangWatch& watch) : rank_(rank), watch_(watch) {}

  void OnTestStart(const testing::TestInfo& test) override { watch_.now_running(name_of_case(test)); }

  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed() || rank_.value == 0) return;  // rank 0 has GoogleTest's own printer
    std::fprintf(stderr, "[rank %d] %s:%d: %s\n", rank_.value, result.file_name() ? result.file_name() : "",
                 result.line_number(), result.message());
  }

  void OnTestEnd(const testing::TestInfo& test) override {
    watch_.now_running("");
    if (test.result()->Passed()) return;
    std::fprintf(stderr, "[rank %d] FAILED: %s\n", rank_.value, name_of_case(test).c_str());
    std::fflush(nullptr);
    // The others may wait inside the case for this rank, or fail it too: time to say so, then the end for
    // all.
    std::this_thread::sleep_for(std::chrono::seconds(1));
    abort_job(ExitCode::kBug);
  }

 private:
  static std::string name_of_case(const testing::TestInfo& test) {
    return std::string(test.test_suite_name()) + "." + test.name();
  }

  Rank rank_;
  HangWatch& watch_;
};

int run_cases(World& world) {
  const char* wanted = std::getenv("LOCKSTEP_TEST_WORLD");
  if (wanted == nullptr || std::atoi(wanted) != world.size().value) {
    std::fprintf(stderr, "world of %d ranks, but LOCKSTEP_TEST_WORLD=%s\n", world.size().value,
                 wanted ? wanted : "(unset)");
    return 1;
  }
  HangWatch watch(world.rank());
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (!world.is_root()) delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new RankReporter(world.rank(), watch));
  const int mine = RUN_ALL_TESTS();
  return agree_max(world, mine).value;
}

}  // namespace

World& test_world() {
  return *world_slot();
}

}  // namespace lockstep

int main(int argc, char** argv) {
  using namespace lockstep;
  testing::InitGoogleTest(&argc, argv);
  JoinOptions options;
  // Without a launcher a world of one, so that the GPU cases run where there is no MPI to start.
  options.launch.launched =
      std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr || std::getenv("PMIX_RANK") != nullptr;
  world_slot() = std::make_unique<World>(join_world(options));
  const int failed = run_cases(test_world());
  world_slot().reset();
  leave_job();
  return failed;
}
