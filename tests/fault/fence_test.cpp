// SPDX-License-Identifier: Apache-2.0
// F33: a writer that was stopped, and whose run another start has taken over, wakes up.
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>

#include "job/job.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

struct Asleep {
  const char* name;
  const char* point;
};

class Takeover : public ::testing::Test {
 protected:
  // Stopped in the save of step 6. On another host, or on a file system without flock, its lock keeps nobody
  // out; here it is taken away.
  Start stopped_in_a_save(const std::string& point, const std::string& guard = "") const {
    return {.launcher = Launcher::kNone,
            .fault = guard + "stop@step=6,attempt=1,point=" + point + ",file=" + fired_};
  }
  bool is_asleep(Process& old) const {
    return wait_until([&] { return injections(fired_) == 1 && is_stopped(old.pid()); });
  }
  std::vector<pid_t> stopped_ranks() const {
    std::vector<pid_t> ranks;
    for (const pid_t process : job_.processes())
      if (is_stopped(process)) ranks.push_back(process);
    return ranks;
  }
  std::string pointer(const std::string& name) const { return read_file(job_.checkpoints() + "/" + name); }

  Job job_{mlp_config()};
  std::string fired_ = job_.path("fired");
};

class OldWriter : public Takeover, public ::testing::WithParamInterface<Asleep> {};

TEST_P(OldWriter, CannotCommitOnceItsRunWasTakenOver) {
  const Start start = stopped_in_a_save(GetParam().point);
  Process old(job_.command(start), job_.options(start));
  ASSERT_TRUE(is_asleep(old));
  fs::remove(job_.run() + "/lock");

  const ProcessResult next = job_.train({.ranks = 2});
  ASSERT_EQ(next.code, 0) << next.err;
  EXPECT_EQ(job_.state_hash(), reference_hash(mlp_config()));
  const std::string latest = pointer("latest");
  const std::vector<std::string> names = job_.checkpoint_names();

  old.signal(SIGCONT);
  const ProcessResult woken = old.wait();
  EXPECT_EQ(woken.code, 77) << woken.err;
  EXPECT_NE(woken.err.find("another start has taken over this run"), std::string::npos) << woken.err;
  EXPECT_EQ(injections(fired_), 1);
  EXPECT_EQ(pointer("latest"), latest);
  EXPECT_EQ(job_.checkpoint_names(), names);
  EXPECT_EQ(job_.leftovers(), 0);
  for (const std::string& name : names)
    EXPECT_TRUE(!name.starts_with("step-") || job_.verifies(job_.checkpoints() + "/" + name)) << name;
}

INSTANTIATE_TEST_SUITE_P(F33, OldWriter,
                         ::testing::Values(Asleep{"BehindItsShard", "ckpt.after_shard"},
                                           Asleep{"BeforeItsRename", "ckpt.before_rename"},
                                           Asleep{"BeforeItsPointer", "ckpt.before_replace"}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(Takeover, WithoutTheFenceTheOldWriterCommits) {
  const Start start = stopped_in_a_save("ckpt.before_rename", "skip@point=guard.skip_fence;");
  Process old(job_.command(start), job_.options(start));
  ASSERT_TRUE(is_asleep(old));
  fs::remove(job_.run() + "/lock");
  ASSERT_EQ(job_.train({.launcher = Launcher::kNone, .fault = "skip@point=guard.skip_fence"}).code, 0);
  old.signal(SIGCONT);
  EXPECT_EQ(old.wait().code, 0);
  std::vector<int> saved;
  for (const Json& event : job_.events("checkpoint_saved"))
    if (event.at("attempt") == 1) saved.push_back(event.at("step").get<int>());
  EXPECT_THAT(saved, ::testing::Contains(12));
}

// A rank of a job, each of which makes its shard.
TEST_F(Takeover, LeavesTheShardOfARankThatWakesUpNowhereToGo) {
  const Start start = {.ranks = 2,
                       .fault = "stop@rank=1,step=6,attempt=1,point=ckpt.before_shard,file=" + fired_,
                       .overrides = {"checkpoint.layout=sharded", "watch.limit_s=600"}};
  Process old(job_.command(start), job_.options(start));
  ASSERT_TRUE(wait_until([&] { return injections(fired_) == 1 && !stopped_ranks().empty(); }));
  fs::remove(job_.run() + "/lock");

  const ProcessResult next = job_.train({.ranks = 2, .overrides = {"checkpoint.layout=sharded"}});
  ASSERT_EQ(next.code, 0) << next.err;
  EXPECT_EQ(job_.state_hash(), reference_hash(mlp_config()));
  const std::vector<std::string> names = job_.checkpoint_names();

  for (const pid_t rank : stopped_ranks()) ::kill(rank, SIGCONT);
  const ProcessResult woken = old.wait();
  EXPECT_NE(woken.err.find("another start has taken over this run"), std::string::npos) << woken.err;
  EXPECT_EQ(woken.code, 77);
  EXPECT_EQ(job_.checkpoint_names(), names);
  EXPECT_EQ(job_.leftovers(), 0);
}

}  // namespace
}  // namespace lockstep::testing
