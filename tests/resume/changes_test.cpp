// SPDX-License-Identifier: Apache-2.0
// What may change from one life of a run to the next, and what may not.
#include <filesystem>

#include "job/job.h"

namespace lockstep::testing {
namespace {

const Start kFirstHalf{.launcher = Launcher::kNone,
                       .overrides = {"train.steps=6", "schedule.type=constant", "checkpoint.keep_last=10"}};

Start second_half(const std::vector<std::string>& changes) {
  Start start{.launcher = Launcher::kNone,
              .overrides = {"schedule.type=constant", "checkpoint.keep_last=10"}};
  start.overrides.insert(start.overrides.end(), changes.begin(), changes.end());
  return start;
}

TEST(Resume, TakesAnotherLearningRateAndSaysSo) {
  const Job job(mlp_config());
  ASSERT_EQ(job.train(kFirstHalf).code, 0);
  const ProcessResult result = job.train(second_half({"optim.lr=5e-3"}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("optim.lr: 0.01 -> 0.005"), std::string::npos) << result.err;
  EXPECT_EQ(job.history().at(6).at("lr"), 0.01);
  EXPECT_EQ(job.history().at(7).at("lr"), 0.005);
  const std::string changed = job.state_hash();
  EXPECT_NE(changed, reference_hash(mlp_config(), {"schedule.type=constant"}));
  // And back: what the unchanged run would have been is not lost.
  ASSERT_EQ(job.train(second_half({"resume.mode=" + job.checkpoint(6)})).code, 0);
  EXPECT_EQ(job.state_hash(), reference_hash(mlp_config(), {"schedule.type=constant"}));
}

struct Refused {
  const char* name;
  std::vector<std::string> changes;
  std::vector<std::string> says;

  friend void PrintTo(const Refused& one, std::ostream* out) { *out << one.name; }
};

class Forbidden : public ::testing::TestWithParam<Refused> {};

TEST_P(Forbidden, ChangeIsRefusedWithBothValues) {
  const Job job(mlp_config());
  ASSERT_EQ(job.train(kFirstHalf).code, 0);
  const std::vector<std::string> before = job.checkpoint_names();
  const ProcessResult result = job.train(second_half(GetParam().changes));
  EXPECT_EQ(result.code, 78) << result.err;
  for (const std::string& text : GetParam().says)
    EXPECT_NE(result.err.find(text), std::string::npos) << text << " in " << result.err;
  EXPECT_EQ(job.checkpoint_names(), before);
  EXPECT_EQ(job.history().rbegin()->first, 6);
}

TEST(Resume, RefusesUnderTheSupervisorWithTheSameCode) {
  const Job job(mlp_config());
  ASSERT_EQ(job.train(kFirstHalf).code, 0);
  Start start = second_half({"run.seed=8"});
  start.launcher = Launcher::kSupervisor;
  start.ranks = 2;
  const ProcessResult result = job.train(start);
  EXPECT_EQ(result.code, 78) << result.err;
  EXPECT_EQ(job.events("resumed").size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Of, Forbidden,
    ::testing::Values(Refused{"Optimizer", {"optim.type=adam"}, {"optim.type: adamw -> adam"}},
                      Refused{"Shape", {"model.hidden=[32, 8]"}, {"model.hidden: [32, 16] -> [32, 8]"}},
                      Refused{"Seed", {"run.seed=8"}, {"run.seed: 7 -> 8"}},
                      Refused{"Data", {"data.samples=310"}, {"data.samples: 300 -> 310"}},
                      Refused{"GlobalBatch", {"train.global_batch=12"}, {"train.global_batch: 24 -> 12"}},
                      Refused{"Reduce", {"dist.reduce=fast"}, {"dist.reduce: exact -> fast"}}),
    [](const auto& info) { return info.param.name; });

TEST(Resume, TakesAForbiddenChangeThatIsAllowedByName) {
  const Job job(mlp_config());
  ASSERT_EQ(job.train(kFirstHalf).code, 0);
  const ProcessResult result =
      job.train(second_half({"train.global_batch=12", "resume.allow_changes=[train.global_batch]"}));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("train.global_batch: 24 -> 12"), std::string::npos) << result.err;
}

// 896 samples: two epochs of 56 steps, then two of 14 with a batch four times as large.
TEST(Resume, WithAnotherGlobalBatchKeepsEpochsEpochs) {
  const Job job(R"(version: 1
run: {name: job, dir: run, seed: 7}
model: {type: mlp, inputs: 16, hidden: [8], outputs: 4}
data: {type: synthetic, samples: 896, input_shape: [16], classes: 4}
train: {epochs: 2, global_batch: 16, micro_batch: 4}
checkpoint: {async: false, every_steps: 1000}
log: {every_steps: 1}
)");
  ASSERT_EQ(job.train({.launcher = Launcher::kNone}).code, 0);
  EXPECT_EQ(job.history().rbegin()->first, 112);
  Start more{
      .launcher = Launcher::kNone,
      .overrides = {"train.global_batch=64", "resume.allow_changes=[train.global_batch]", "train.epochs=4"}};
  ASSERT_EQ(job.train(more).code, 0);
  EXPECT_EQ(job.history().size(), 112u + 28u);
  EXPECT_EQ(job.history().at(112).at("epoch"), 1);
  EXPECT_EQ(job.history().at(113).at("epoch"), 2);
  EXPECT_EQ(job.history().at(140).at("epoch"), 3);
  EXPECT_EQ(Json::parse(read_file(job.run() + "/DONE")).at("epoch"), 3);
  // Back to the small batch for one more, and fewer than are done change nothing.
  more.overrides[0] = "train.global_batch=16";
  more.overrides[2] = "train.epochs=5";
  ASSERT_EQ(job.train(more).code, 0);
  EXPECT_EQ(job.history().rbegin()->first, 196);
  more.overrides[2] = "train.epochs=3";
  ASSERT_EQ(job.train(more).code, 0);
  EXPECT_EQ(job.history().rbegin()->first, 196);
}

// In the middle of an epoch: 240 samples, 6 steps of 24, then 8 steps of 12.
TEST(Resume, WithAnotherGlobalBatchGoesOnAtTheSameSample) {
  const Job job(mlp_config());
  ASSERT_EQ(job.train(kFirstHalf).code, 0);
  const ProcessResult result = job.train(
      second_half({"train.global_batch=12", "resume.allow_changes=[train.global_batch]", "train.steps=16"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const Json resumed = job.events("resumed").at(0);
  EXPECT_EQ(resumed.at("epoch"), 0);
  EXPECT_EQ(resumed.at("epoch_offset"), 144);
  EXPECT_EQ(job.history().at(14).at("epoch"), 0);
  EXPECT_EQ(job.history().at(15).at("epoch"), 1);
  const Json last = job.show(job.checkpoint(16));
  EXPECT_EQ(last.at("epoch_offset"), 24);
  EXPECT_EQ(last.at("epoch_samples"), 240);
}

TEST(Resume, OnAnotherInstructionSetSaysThatBitsMayDiffer) {
  const Job job(mlp_config());
  ASSERT_EQ(job.train(kFirstHalf).code, 0);
  Start start = second_half({"train.threads=2"});
  start.before = {"/usr/bin/env", "ATEN_CPU_CAPABILITY=default"};
  const ProcessResult result = job.train(start);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.err.find("from step 7 on, bits may differ from an undisturbed run"), std::string::npos)
      << result.err;
  const Json event = job.events("environment_changed").at(0);
  EXPECT_EQ(event.at("step"), 7);
  const std::string changes = event.at("changes");
  EXPECT_NE(changes.find("threads 1 -> 2"), std::string::npos) << changes;
  const std::string before = job.show(job.checkpoint(6)).at("environment").at("cpu_capability");
  EXPECT_EQ(changes.find("cpu_capability") != std::string::npos, before != "DEFAULT") << changes;
}

TEST(Resume, OnTheSameMachineSaysNothingOfBits) {
  const Job job(mlp_config());
  ASSERT_EQ(job.train(kFirstHalf).code, 0);
  const ProcessResult result = job.train(second_half({}));
  EXPECT_EQ(result.err.find("bits may differ"), std::string::npos) << result.err;
  EXPECT_EQ(job.events("environment_changed").size(), 0u);
}

TEST(Ranks, OfUnlikeInstructionSetsAreRefusedUnlessFast) {
  const std::vector<std::string> native = {"/usr/bin/env"};
  const std::vector<std::string> other = {"/usr/bin/env", "ATEN_CPU_CAPABILITY=default"};
  const Job job(mlp_config());
  ASSERT_EQ(job.train({.launcher = Launcher::kNone, .overrides = {"train.steps=4"}}).code, 0);
  if (job.show(job.checkpoint(4)).at("environment").at("cpu_capability") == "DEFAULT") return;
  const Job refused(mlp_config()), fast(mlp_config());
  const ProcessResult result = refused.train({.ranks = 2, .before_rank = {native, other}});
  EXPECT_EQ(result.code, 78) << result.err;
  for (const char* text : {"rank 0 on ", "rank 1 on ", "cpu_capability", "DEFAULT", "dist.reduce"})
    EXPECT_NE(result.err.find(text), std::string::npos) << text << " in " << result.err;
  const ProcessResult warned =
      fast.train({.ranks = 2, .overrides = {"dist.reduce=fast"}, .before_rank = {native, other}});
  EXPECT_EQ(warned.code, 0) << warned.err;
  EXPECT_EQ(fast.events("ranks_differ").size(), 1u);
}

TEST(Resume, OfGptRefusesOtherTextOfTheSameLength) {
  const Job job(gpt_config());
  ASSERT_EQ(job.train({.launcher = Launcher::kNone, .overrides = {"train.steps=2"}}).code, 0);
  std::string text = read_file(job.path("train.txt"));
  text[100] ^= 1;
  write_file(job.path("train.txt"), text);
  const ProcessResult result = job.train({.launcher = Launcher::kNone});
  EXPECT_EQ(result.code, 78) << result.err;
  EXPECT_NE(result.err.find("then"), std::string::npos) << result.err;
  EXPECT_EQ(job.train({.launcher = Launcher::kNone, .overrides = {"resume.allow_changes=[data]"}}).code, 0);
}

TEST(GoingBack, LeavesTheNewerCheckpointsAsideAndEndsTheSame) {
  const Job job(mlp_config());
  const std::vector<std::string> keep = {"checkpoint.keep_last=10"};
  ASSERT_EQ(job.train({.launcher = Launcher::kNone, .overrides = keep}).code, 0);
  const std::string hash = job.state_hash();
  Start back{.ranks = 2, .overrides = keep};
  back.overrides.push_back("resume.mode=" + job.checkpoint(6));
  const ProcessResult result = job.train(back);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(job.state_hash(), hash);
  int left = 0;
  for (const std::string& name : job.checkpoint_names()) left += name.ends_with(".left-2") ? 1 : 0;
  EXPECT_EQ(left, static_cast<int>(job.events("checkpoint_left").size()));
  EXPECT_TRUE(job.verifies(job.checkpoints() + "/step-00000012.left-2"));
  EXPECT_TRUE(job.verifies(job.checkpoint(12)));
  ASSERT_EQ(job.events("resumed").size(), 1u);
  EXPECT_EQ(job.events("resumed")[0].at("step"), 6);
  for (const Json& line : job.metrics()) EXPECT_TRUE(line.at("attempt") == 1 || line.at("step") > 6) << line;
  EXPECT_EQ(job.history().at(7).at("step"), 7);
}

TEST(AnotherRunsCheckpoint, LeadsToThatRunsEnd) {
  const std::vector<std::string> other_lr = {"optim.lr=3e-3"};
  const Job other(mlp_config()), job(mlp_config());
  ASSERT_EQ(other.train({.launcher = Launcher::kNone, .overrides = other_lr}).code, 0);
  ASSERT_EQ(job.train({.launcher = Launcher::kNone}).code, 0);
  ASSERT_NE(job.state_hash(), other.state_hash());
  // The oldest that retention has kept, well before the end.
  const std::string foreign = other.checkpoints() + "/" + other.checkpoint_names().front();
  Start start{.ranks = 2, .overrides = other_lr};
  start.overrides.push_back("resume.mode=" + foreign);
  const ProcessResult result = job.train(start);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(job.state_hash(), other.state_hash());
  EXPECT_TRUE(std::filesystem::exists(foreign));
  EXPECT_TRUE(std::filesystem::exists(job.checkpoints() + "/step-00000012.left-2"));
}

void expect_committed_before_the_first_step(std::vector<std::string> overrides) {
  const Job other(mlp_config()), job(mlp_config());
  ASSERT_EQ(other.train({.launcher = Launcher::kNone}).code, 0);
  const std::string foreign = other.checkpoints() + "/" + other.checkpoint_names().front();
  const std::string fired = job.path("fired");
  overrides.push_back("resume.mode=" + foreign);
  // Dies before any save of its own is due; the restart must not begin anew.
  const ProcessResult result = job.train({.ranks = 2,
                                          .launcher = Launcher::kSupervisor,
                                          .fault = "kill@rank=0,step=9,point=step,file=" + fired,
                                          .overrides = overrides});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(injections(fired), 1);
  EXPECT_EQ(job.state_hash(), other.state_hash());
  EXPECT_EQ(job.history().begin()->first, 9);
}

TEST(AnotherRunsCheckpoint, IsCommittedHereBeforeTheFirstStep) {
  expect_committed_before_the_first_step({});
}

// What each rank has taken over of it is what it then saves.
TEST(AnotherRunsCheckpoint, IsCommittedHereByRanksThatHavePartsOfTheState) {
  expect_committed_before_the_first_step({"dist.shared_memory=false", "optim.sharded=true"});
}

TEST(StartFromWeights, BeginsAtStepOneWithANewOptimizerAndIsIgnoredByAResume) {
  const Job source(mlp_config());
  ASSERT_EQ(source.train({.launcher = Launcher::kNone}).code, 0);
  const std::vector<std::string> weights = {"model.weights=" + source.run() + "/weights.h5"};
  const Job alone(mlp_config()), killed(mlp_config());
  ASSERT_EQ(alone.train({.launcher = Launcher::kNone, .overrides = weights}).code, 0);
  EXPECT_NE(alone.state_hash(), source.state_hash());
  EXPECT_EQ(alone.history().begin()->first, 1);
  EXPECT_LT(alone.history().at(1).at("loss"), source.history().at(1).at("loss"));
  EXPECT_EQ(alone.events("started_from_weights").size(), 1u);

  const std::string fired = killed.path("fired");
  const ProcessResult result = killed.train({.ranks = 2,
                                             .launcher = Launcher::kSupervisor,
                                             .fault = "kill@rank=1,step=8,file=" + fired,
                                             .overrides = weights});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(injections(fired), 1);
  EXPECT_EQ(killed.events("started_from_weights").size(), 1u);
  EXPECT_EQ(killed.state_hash(), alone.state_hash());
}

TEST(StartFromWeights, RefusesAnotherShapeUnlessItIsSkippedByName) {
  const Job source(mlp_config()), job(mlp_config());
  ASSERT_EQ(source.train({.launcher = Launcher::kNone}).code, 0);
  Start start{
      .launcher = Launcher::kNone,
      .overrides = {"model.weights=" + source.run() + "/weights.h5", "model.outputs=5", "data.classes=5"}};
  const ProcessResult refused = job.train(start);
  EXPECT_EQ(refused.code, 78) << refused.err;
  EXPECT_NE(refused.err.find("layers.2"), std::string::npos) << refused.err;
  start.overrides.push_back("model.weights_skip=[layers.2.*]");
  const ProcessResult skipped = job.train(start);
  ASSERT_EQ(skipped.code, 0) << skipped.err;
  EXPECT_NE(
      job.events("started_from_weights").at(0).at("initialised").get<std::string>().find("layers.2.weight"),
      std::string::npos);
}

// Ranks to which one path means a folder each, as on hosts with disks of their own.
class FoldersApart : public ::testing::Test {
 protected:
  // Rank 0's and rank 1's, each trained to step 6 by itself.
  void train_each(const std::vector<std::string>& of_rank_1) {
    for (const int rank : {0, 1}) {
      Start start = kFirstHalf;
      start.overrides.push_back("run.dir=run");
      if (rank == 1) start.overrides.insert(start.overrides.end(), of_rank_1.begin(), of_rank_1.end());
      start.before = in_folder(rank);
      const ProcessResult result = job_.train(start);
      ASSERT_EQ(result.code, 0) << result.err;
    }
  }
  std::vector<std::string> in_folder(int rank) const {
    const std::string folder = job_.path(rank == 0 ? "first" : "second");
    std::filesystem::create_directories(folder);
    return {"env", "-C", folder};
  }
  ProcessResult train_together(const std::vector<std::string>& changes) const {
    Start start = second_half(changes);
    start.ranks = 2;
    start.launcher = Launcher::kMpirun;
    start.before_rank = {in_folder(0), in_folder(1)};
    return job_.train(start);
  }

  Job job_{mlp_config()};
};

TEST_F(FoldersApart, WithCheckpointsThatDifferAreRefusedAndNothingIsSetAside) {
  train_each({"optim.lr=5e-3"});
  const std::string first = job_.path("first/run/ckpt/step-00000006");
  const std::string second = job_.path("second/run/ckpt/step-00000006");
  const ProcessResult result = train_together({"run.dir=run"});
  EXPECT_EQ(result.code, 73) << result.err;
  for (const std::string& text :
       {std::string("rank 1"), job_.show(first).at("state_hash").get<std::string>(),
        job_.show(second).at("state_hash").get<std::string>(), std::string("one file system")})
    EXPECT_NE(result.err.find(text), std::string::npos) << text << " in " << result.err;
  EXPECT_EQ(result.err.find("lockstep: error"), result.err.rfind("lockstep: error")) << result.err;
  for (const std::string& kept : {first, second}) EXPECT_TRUE(job_.verifies(kept));
}

TEST_F(FoldersApart, WithNoCheckpointOnOneRankAreRefusedAndNothingIsSetAside) {
  train_each({});
  std::filesystem::remove_all(job_.path("second/run/ckpt"));
  const ProcessResult result = train_together({"run.dir=run"});
  EXPECT_EQ(result.code, 73) << result.err;
  EXPECT_NE(result.err.find("does not exist"), std::string::npos) << result.err;
  EXPECT_TRUE(job_.verifies(job_.path("first/run/ckpt/step-00000006")));
}

TEST_F(FoldersApart, WithWeightsThatDifferAreRefused) {
  train_each({"run.seed=8"});
  const ProcessResult result = train_together({"run.dir=" + job_.run(), "model.weights=run/weights.h5"});
  EXPECT_EQ(result.code, 78) << result.err;
  EXPECT_NE(result.err.find("run/weights.h5"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("unlike rank 0: 1"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace lockstep::testing
