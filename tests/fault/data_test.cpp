// SPDX-License-Identifier: Apache-2.0
// F35 and F38: the number of ranks or the data changes between or during the lives of a run.
#include <signal.h>

#include <filesystem>

#include "job/job.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kHalf = {"train.steps=2"};

void change_one_byte(const std::string& path) {
  std::string bytes = read_file(path);
  bytes[bytes.size() / 2] ^= 1;
  write_file(path, bytes);
}

TEST(DataBetweenLives, ThatChangedIsRefused) {
  const Job job(gpt_config());
  ASSERT_EQ(job.train({.launcher = Launcher::kNone, .overrides = kHalf}).code, 0);
  change_one_byte(job.path("train.txt"));
  const ProcessResult result = job.train({.ranks = 2, .launcher = Launcher::kSupervisor});
  EXPECT_EQ(result.code, 78) << result.err;
  EXPECT_EQ(job.history().rbegin()->first, 2);
}

TEST(DataBetweenLives, ThatChangedIsUsedWithoutItsGuard) {
  const Job job(gpt_config());
  ASSERT_EQ(job.train({.launcher = Launcher::kNone, .overrides = kHalf}).code, 0);
  change_one_byte(job.path("train.txt"));
  EXPECT_EQ(job.train({.launcher = Launcher::kNone, .fault = "skip@point=guard.skip_content"}).code, 0);
}

TEST(DataBetweenLives, ThatIsMissingIsNamed) {
  const Job job(gpt_config());
  ASSERT_EQ(job.train({.launcher = Launcher::kNone, .overrides = kHalf}).code, 0);
  ASSERT_TRUE(fs::remove(job.path("train.txt")));
  const ProcessResult result = job.train({.ranks = 2, .launcher = Launcher::kSupervisor});
  EXPECT_EQ(result.code, 66) << result.err;
  EXPECT_NE(result.err.find("train.txt"), std::string::npos) << result.err;
}

TEST(DataBetweenLives, WithAnotherDateAloneIsTheSameData) {
  const Job job(gpt_config());
  ASSERT_EQ(job.train({.launcher = Launcher::kNone, .overrides = kHalf}).code, 0);
  write_file(job.path("train.txt"), read_file(job.path("train.txt")));
  ASSERT_EQ(job.train({.launcher = Launcher::kNone}).code, 0);
  EXPECT_EQ(job.state_hash(), reference_hash(gpt_config()));
}

// Rank 0 waits in step 2 until the data is another.
ProcessResult changed_while_running(const Job& job, const std::string& guard,
                                    const std::function<void()>& change) {
  const std::string fired = job.path("fired");
  const Start start{.ranks = 2, .fault = guard + "stop@rank=0,step=2,file=" + fired};
  Process process(job.command(start), job.options(start));
  pid_t stopped = 0;
  EXPECT_TRUE(wait_until([&] {
    for (const pid_t pid : job.processes())
      if (injections(fired) == 1 && is_stopped(pid)) stopped = pid;
    return stopped != 0;
  }));
  change();
  if (stopped != 0) ::kill(stopped, SIGCONT);
  return process.wait();
}

struct Change {
  const char* name;
  void (*apply)(const std::string& path);

  friend void PrintTo(const Change& one, std::ostream* out) { *out << one.name; }
};

class DataWhileRunning : public ::testing::TestWithParam<Change> {};

TEST_P(DataWhileRunning, ThatChangedEndsTheRun) {
  const Job job(gpt_config());
  const ProcessResult result =
      changed_while_running(job, "", [&] { GetParam().apply(job.path("train.txt")); });
  EXPECT_EQ(result.code, 66) << result.err;
  EXPECT_NE(result.err.find("train.txt"), std::string::npos) << result.err;
  EXPECT_TRUE(job.verifies(job.checkpoint(1)));
  EXPECT_EQ(job.state_hash(), "");
  EXPECT_TRUE(job.all_gone_within(std::chrono::seconds(10)));
}

INSTANTIATE_TEST_SUITE_P(
    F38, DataWhileRunning,
    ::testing::Values(Change{"Written", change_one_byte},
                      Change{"Truncated", [](const std::string& path) { fs::resize_file(path, 100); }},
                      Change{"Replaced",
                             [](const std::string& path) {
                               fs::copy_file(path, path + ".new");
                               fs::last_write_time(path + ".new", fs::last_write_time(path));
                               fs::rename(path + ".new", path);
                             }},
                      Change{"Removed", [](const std::string& path) { fs::remove(path); }}),
    [](const auto& info) { return info.param.name; });

TEST(UnwatchedData, ThatChangedWhileRunningIsUsedWithoutItsGuard) {
  const Job job(gpt_config());
  const ProcessResult result = changed_while_running(job, "skip@point=guard.skip_unchanged;",
                                                     [&] { change_one_byte(job.path("train.txt")); });
  EXPECT_EQ(result.code, 0) << result.err;
}

// The exact reduction is what keeps the bits when the ranks change; the fast one does not.
TEST(RanksBetweenLives, ChangeTheBitsWithoutTheExactReduction) {
  const auto hash = [](const std::string& reduce) {
    const Job job(mlp_config());
    const std::string fired = job.path("fired");
    const std::vector<std::string> how = {"dist.reduce=" + reduce};
    EXPECT_EQ(job.train({.ranks = 3, .fault = "kill@rank=2,step=8,file=" + fired, .overrides = how}).code,
              137);
    EXPECT_EQ(injections(fired), 1);
    EXPECT_EQ(job.train({.ranks = 2, .overrides = how}).code, 0);
    return job.state_hash();
  };
  EXPECT_EQ(hash("exact"), reference_hash(mlp_config()));
  EXPECT_NE(hash("fast"), reference_hash(mlp_config(), {"dist.reduce=fast"}));
}

}  // namespace
}  // namespace lockstep::testing
