// SPDX-License-Identifier: Apache-2.0
// F17, F23 and F25: the run directory's disk is full, read-only, limited, or emptied by somebody.
#include <signal.h>

#include <filesystem>

#include "job/job.h"
#include "small_disk.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

// Half a megabyte a checkpoint, all of them kept.
const std::vector<std::string> kLarge = {"model.hidden=[256, 128]", "checkpoint.keep_last=100"};

int errors_in(const std::string& text) {
  int count = 0;
  for (std::size_t at = text.find("error"); at != std::string::npos; at = text.find("error", at + 1)) ++count;
  return count;
}

class FullDisk : public ::testing::TestWithParam<Launcher> {};

TEST_P(FullDisk, DuringASaveEndsWithOneErrorAndThePreviousCheckpointIntact) {
  const Job job(mlp_config());
  SmallDisk disk(job.run(), "size=1900k");
  const Start start{
      .ranks = GetParam() == Launcher::kNone ? 1 : 2, .launcher = GetParam(), .overrides = kLarge};
  const ProcessResult result = job.train(start);
  EXPECT_EQ(result.code, 74) << result.err;
  EXPECT_NE(result.err.find("No space left"), std::string::npos) << result.err;
  EXPECT_EQ(errors_in(result.err), 1) << result.err;
  EXPECT_EQ(job.leftovers(), 0);
  const std::vector<std::string> left = job.checkpoint_names();
  ASSERT_FALSE(left.empty());
  EXPECT_NE(left.back(), "step-00000012");
  for (const std::string& name : left) EXPECT_TRUE(job.verifies(job.checkpoints() + "/" + name));

  disk.resize("size=20m");
  const ProcessResult again = job.train(start);
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ("step-0000000" + std::to_string(job.events("resumed").at(0).at("step").get<int>()), left.back());
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config(), kLarge));
}

INSTANTIATE_TEST_SUITE_P(F17, FullDisk,
                         ::testing::Values(Launcher::kNone, Launcher::kMpirun, Launcher::kSupervisor),
                         [](const auto& info) {
                           return std::string(info.param == Launcher::kNone     ? "Alone"
                                              : info.param == Launcher::kMpirun ? "UnderMpirun"
                                                                                : "UnderTheSupervisor");
                         });

// The disk has room for one shard more, and not for the last.
TEST(FullDiskOfShards, LeavesThePreviousCheckpointIntactAtTwoRanks) {
  const Job job(mlp_config());
  std::vector<std::string> sharded = kLarge;
  sharded.push_back("checkpoint.layout=sharded");
  sharded.push_back("checkpoint.async=true");
  SmallDisk disk(job.run(), "size=1900k");
  const ProcessResult result = job.train({.ranks = 2, .overrides = sharded});
  EXPECT_EQ(result.code, 74) << result.err;
  EXPECT_NE(result.err.find("No space left"), std::string::npos) << result.err;
  EXPECT_EQ(job.leftovers(), 0);
  const std::vector<std::string> left = job.checkpoint_names();
  ASSERT_FALSE(left.empty());
  for (const std::string& name : left) EXPECT_TRUE(job.verifies(job.checkpoints() + "/" + name));
  disk.resize("size=20m");
  ASSERT_EQ(job.train({.ranks = 2, .overrides = sharded}).code, 0);
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config(), kLarge));
}

TEST(WithoutCleanup, AFullDiskKeepsTheFailedSave) {
  const Job job(mlp_config());
  const SmallDisk disk(job.run(), "size=1900k");
  const ProcessResult result =
      job.train({.launcher = Launcher::kNone, .fault = "skip@point=guard.skip_cleanup", .overrides = kLarge});
  EXPECT_EQ(result.code, 74);
  EXPECT_GT(job.leftovers(), 0);
}

TEST(FullDiskAtTheStart, IsRefusedBeforeTraining) {
  const Job job(mlp_config());
  const SmallDisk disk(job.run(), "size=800k");
  const ProcessResult result = job.train({.launcher = Launcher::kNone, .overrides = kLarge});
  EXPECT_EQ(result.code, 73) << result.err;
  EXPECT_NE(result.err.find("free"), std::string::npos) << result.err;
  EXPECT_EQ(job.metrics().size(), 0u);
}

TEST(FailedSave, IsSurvivedWithOnErrorContinue) {
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const ProcessResult result = job.train({.ranks = 2,
                                          .fault = "throw@step=6,point=ckpt.after_manifest,file=" + fired,
                                          .overrides = {"checkpoint.on_error=continue"}});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(injections(fired), 1);
  EXPECT_EQ(job.events("checkpoint_failed").size(), 1u);
  EXPECT_FALSE(fs::exists(job.checkpoint(6)));
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
}

TEST(FailedSave, OfTheLastStepIsNeverCalledDone) {
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const Start start{.ranks = 2,
                    .fault = "throw@step=12,point=ckpt.after_manifest,file=" + fired,
                    .overrides = {"checkpoint.on_error=continue"}};
  EXPECT_EQ(job.train(start).code, 74);
  EXPECT_EQ(injections(fired), 1);
  EXPECT_EQ(job.state_hash(), "");
  ASSERT_EQ(job.train(start).code, 0);
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
}

TEST(FailedSave, OfARequestedStopIsNeverCalledSaved) {
  const Job job(mlp_config());
  const std::string fired = job.path("fired");
  const ProcessResult result = job.train(
      {.ranks = 2,
       .fault = "usr1@rank=0,step=5,file=" + fired + ";throw@step=5,point=ckpt.begin,file=" + fired + ".2",
       .overrides = {"checkpoint.on_error=continue"}});
  EXPECT_EQ(result.code, 74) << result.err;
  EXPECT_EQ(injections(fired), 1);
  EXPECT_EQ(injections(fired + ".2"), 1);
  EXPECT_EQ(job.events("stopped").size(), 0u);
}

TEST(FailedSave, ThreeInARowEndTheRun) {
  const Job job(mlp_config());
  std::string plan;
  for (const char* step : {"6", "8", "9"})
    plan += std::string(plan.empty() ? "" : ";") + "throw@point=ckpt.begin,step=" + step +
            ",file=" + job.path(step);
  const ProcessResult result =
      job.train({.launcher = Launcher::kNone, .fault = plan, .overrides = {"checkpoint.on_error=continue"}});
  EXPECT_EQ(result.code, 74) << result.err;
  for (const char* step : {"6", "8", "9"}) EXPECT_EQ(injections(job.path(step)), 1) << step;
  EXPECT_EQ(job.events("checkpoint_failed").size(), 2u);
}

TEST(ReadOnlyDisk, IsRefusedBeforeTraining) {
  const Job job(mlp_config());
  SmallDisk disk(job.run(), "size=20m");
  ASSERT_EQ(job.train({.launcher = Launcher::kNone, .overrides = {"train.steps=6"}}).code, 0);
  const std::size_t lines = job.metrics().size();
  disk.make_read_only();
  for (const Launcher launcher : {Launcher::kNone, Launcher::kSupervisor}) {
    const ProcessResult result = job.train({.ranks = 2, .launcher = launcher});
    EXPECT_EQ(result.code, 73) << result.err;
    EXPECT_NE(result.err.find("Read-only"), std::string::npos) << result.err;
  }
  EXPECT_EQ(job.metrics().size(), lines);
  EXPECT_TRUE(job.verifies(job.checkpoint(6)));
}

TEST(DiskWithoutInodes, IsRefusedBeforeTraining) {
  // Each start gets a little further; whatever is missing, no step is trained.
  for (int inodes = 2; inodes <= 12; ++inodes) {
    SCOPED_TRACE(inodes);
    const Job job(mlp_config());
    const SmallDisk disk(job.run(), "size=20m,nr_inodes=" + std::to_string(inodes));
    const ProcessResult result = job.train({.launcher = Launcher::kNone});
    EXPECT_EQ(result.code, 73) << result.err;
    EXPECT_NE(result.err.find("No space left"), std::string::npos) << result.err;
    EXPECT_EQ(job.metrics().size(), 0u);
    EXPECT_FALSE(fs::exists(job.checkpoints() + "/.staging-probe"));
  }
}

TEST(WithoutTheProbe, MissingInodesAreFoundOnlyByTheFirstSave) {
  const Job job(mlp_config());
  const SmallDisk disk(job.run(), "size=20m,nr_inodes=12");
  const ProcessResult result =
      job.train({.launcher = Launcher::kNone, .fault = "skip@point=guard.skip_probe"});
  EXPECT_EQ(result.code, 74) << result.err;
  EXPECT_GT(job.metrics().size(), 0u);
}

TEST(FileSizeLimit, IsRefusedBeforeTraining) {
  const Job job(mlp_config());
  // In units of 1024 bytes: room for the journal, not for a checkpoint.
  const ProcessResult result = job.train({.launcher = Launcher::kNone,
                                          .overrides = kLarge,
                                          .before = {"bash", "-c", "ulimit -f 100; exec \"$@\"", "limited"}});
  EXPECT_EQ(result.code, 73) << result.err;
  EXPECT_NE(result.err.find("ulimit -f"), std::string::npos) << result.err;
  EXPECT_EQ(job.leftovers(), 0);
  EXPECT_EQ(job.metrics().size(), 0u);
}

TEST(DescriptorLimit, IsAnErrorWithAMessageAndNothingIsLost) {
  const Job job(mlp_config());
  ASSERT_EQ(job.train({.launcher = Launcher::kNone, .overrides = {"train.steps=6"}}).code, 0);
  const std::string kept = job.checkpoint(6);
  int refused = 0;
  for (int limit = 6; limit <= 14; ++limit) {
    const ProcessResult result = job.train(
        {.launcher = Launcher::kNone,
         .overrides = {"checkpoint.keep_last=100"},
         .before = {"bash", "-c", "ulimit -n " + std::to_string(limit) + "; exec \"$@\"", "limited"}});
    SCOPED_TRACE(std::to_string(limit) + ": " + result.err);
    // LibTorch itself, or the loader, does not start with so few.
    if (result.code == 127 || result.err.find("/dev/urandom") != std::string::npos) continue;
    EXPECT_TRUE(result.code == 0 || result.code == 73 || result.code == 74) << result.code;
    refused += result.code != 0 ? 1 : 0;
    EXPECT_TRUE(job.verifies(kept));
  }
  EXPECT_GT(refused, 0);
}

// What one rank of a host cannot be handed, all do without.
TEST(DescriptorLimit, OfOneRankIsSaidAndAllExchangeMessages) {
  const std::string wanted = reference_hash(mlp_config());
  int said = 0;
  for (int limit = 24; limit <= 27; ++limit) {
    const Job job(mlp_config());
    const ProcessResult result = job.train(
        {.before_rank = {
             {}, {"bash", "-c", "ulimit -n " + std::to_string(limit) + "; exec \"$@\"", "limited"}, {}}});
    SCOPED_TRACE(std::to_string(limit) + ": " + result.err);
    ASSERT_EQ(result.code, 0);
    EXPECT_EQ(job.state_hash(), wanted);
    const std::size_t warning = result.err.find("exchange messages instead");
    said += warning != std::string::npos ? 1 : 0;
    EXPECT_EQ(result.err.rfind("exchange messages instead"), warning);
  }
  EXPECT_GT(said, 0);
}

// Stops a run with SIGSTOP, in a step or where `where` says, lets somebody do something to its files, and
// goes on.
ProcessResult meanwhile(const Job& job, const std::string& guard, const std::function<void()>& somebody,
                        const std::string& where = "step=7") {
  const std::string fired = job.path("fired");
  const Start start{.launcher = Launcher::kNone, .fault = guard + "stop@" + where + ",file=" + fired};
  Process process(job.command(start), job.options(start));
  EXPECT_TRUE(wait_until([&] { return injections(fired) == 1 && is_stopped(process.pid()); }));
  somebody();
  process.signal(SIGCONT);
  return process.wait();
}

TEST(DeletedWhileRunning, ThePointersAreMadeAgain) {
  const Job job(mlp_config());
  const ProcessResult result = meanwhile(job, "", [&] {
    for (const char* pointer : {"/latest", "/best"}) EXPECT_TRUE(fs::remove(job.checkpoints() + pointer));
  });
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(read_file(job.checkpoints() + "/latest").find("step-00000012"), std::string::npos);
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
}

TEST(DeletedWhileRunning, TheCheckpointFolderIsMadeAgain) {
  const Job job(mlp_config());
  const ProcessResult result = meanwhile(job, "", [&] { EXPECT_GT(fs::remove_all(job.checkpoints()), 0u); });
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(job.verifies(job.checkpoint(12)));
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
}

TEST(DeletedWhileRunning, TheCheckpointFolderEndsTheRunWithoutItsGuard) {
  const Job job(mlp_config());
  const ProcessResult result = meanwhile(job, "skip@point=guard.skip_remake;",
                                         [&] { EXPECT_GT(fs::remove_all(job.checkpoints()), 0u); });
  EXPECT_EQ(result.code, 74) << result.err;
}

// Where the life that runs makes the checkpoint of a step.
std::string staging_of(const Job& job, int step) {
  for (const auto& entry : fs::directory_iterator(job.checkpoints()))
    if (entry.path().filename().string().starts_with(".staging-"))
      return entry.path() / fs::path(job.checkpoint(step)).filename();
  return "";
}

TEST(DeletedWhileRunning, ASaveThatIsBeingWrittenIsAClearErrorAndNothingElseIsLost) {
  const Job job(mlp_config());
  const ProcessResult result = meanwhile(
      job, "", [&] { EXPECT_GT(fs::remove_all(staging_of(job, 6)), 1u); }, "step=6,point=ckpt.after_shard");
  EXPECT_EQ(result.code, 74) << result.err;
  EXPECT_NE(result.err.find("Was it removed while the run was going on?"), std::string::npos) << result.err;
  EXPECT_TRUE(job.verifies(job.checkpoint(4)));
  ASSERT_EQ(job.train({.launcher = Launcher::kNone}).code, 0);
  EXPECT_EQ(job.events("resumed").at(0).at("step"), 4);
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config()));
}

TEST(DeletedWhileRunning, TheWholeRunDirectoryIsAClearError) {
  const Job job(mlp_config());
  const ProcessResult result = meanwhile(job, "", [&] { EXPECT_GT(fs::remove_all(job.run()), 0u); });
  EXPECT_EQ(result.code, 74) << result.err;
  // Of its two journals whichever is written next.
  EXPECT_NE(result.err.find(".jsonl: open failed"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace lockstep::testing
