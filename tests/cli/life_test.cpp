// SPDX-License-Identifier: Apache-2.0
#include "cli/binary.h"

namespace lockstep::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

// A run from its first second to the start after its last.
class Life : public Binary {};

TEST_F(Life, ATypoInTheMetricCostsSeconds) {
  expect_refused(lockstep({"train", "-c", "run.yaml", "train.steps=1000000",
                           "checkpoint.keep_best={metric: valid_acc, mode: max, count: 1}"}),
                 78, {"checkpoint.keep_best.metric is valid_acc", "It gives valid_accuracy, valid_loss"});
}

TEST_F(Life, OneValueAChannelIsTheConfigs) {
  expect_refused(lockstep({"train", "-c", "run.yaml",
                           "model={type: resnet18, classes: 5, inputs: null, hidden: "
                           "null, outputs: null, dropout: null}",
                           "data={samples: 8, input_shape: [3, 32, 32], classes: 5, holdout_every: 0}",
                           "train={steps: 1, global_batch: 2, micro_batch: 1, eval_every: 0}"}),
                 78,
                 {"model resnet18 threw at step 1, micro-batch 0 (input float32 [1, 3, 32, 32]",
                  "raise train.micro_batch, which is 1, or make the images larger"});
}

TEST_F(Life, ARunWithoutDataIsRefused) {
  write_file(dir_ / "run.yaml", "version: 1\ntrain: {steps: 3}\n");
  expect_refused(lockstep({"train", "-c", "run.yaml"}), 78,
                 {"data.type: is not given", "text, tokens, idx, cifar10, hdf5, npz, synthetic"});
}

TEST_F(Life, AFinishedRunStartedAgainSaysWhatItDidNotDo) {
  train();
  const std::string done = read_file(dir_ / "runs/small/DONE");
  const auto again = [&](std::vector<std::string> overrides) {
    overrides.insert(overrides.begin(), {"train", "-c", "run.yaml"});
    const ProcessResult result = lockstep(overrides);
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  };
  EXPECT_THAT(again({"optim.lr=0.5"}),
              HasSubstr("DONE at step 12; optim.lr changed, nothing trained; raise train.steps to go on\n"));
  EXPECT_THAT(again({}), HasSubstr("DONE at step 12; nothing trained; raise train.steps to go on\n"));
  EXPECT_THAT(again({"train.steps=8"}), HasSubstr("DONE at step 12; train.steps changed, nothing trained"));
  EXPECT_THAT(
      again({"checkpoint.keep_last=1"}),
      HasSubstr("checkpoint.keep_last changed, nothing trained and nothing removed (lockstep ckpt prune "));
  EXPECT_THAT(again({"train.steps=null", "train.epochs=1"}), HasSubstr("raise train.epochs to go on"));
  EXPECT_EQ(read_file(dir_ / "runs/small/DONE"), done);
  EXPECT_THAT(again({"train.steps=13"}), Not(HasSubstr("nothing trained")));
}

TEST_F(Life, AStartThatIsRefusedLeavesAFinishedRunDone) {
  train();
  expect_refused(lockstep({"train", "-c", "run.yaml", "train.steps=20",
                           "checkpoint.keep_best={metric: valid_los, count: 1}"}),
                 78, {"valid_los"});
  EXPECT_EQ(json::parse(lockstep({"status", "runs/small", "--json"}).out)["state"], "done");
}

TEST_F(Life, StatusSaysHowOftenARunSavesAndWhy) {
  const auto saves = [&](const std::string& run, std::vector<std::string> overrides) {
    overrides.push_back("run.name=" + run);
    train(overrides);
    const json status = json::parse(lockstep({"status", "runs/" + run, "--json"}).out);
    return status["saves"].get<std::string>() + " (" + status["saves_because"].get<std::string>() + ")";
  };
  EXPECT_EQ(saves("a", {}), "every 4 steps (checkpoint.every_steps)");
  EXPECT_EQ(
      saves("b", {"checkpoint=null"}),
      "every 10 minutes (the default, where neither checkpoint.every_steps nor every_minutes is given)");
  EXPECT_EQ(saves("c", {"checkpoint.every_steps=0"}), "the last step (checkpoint.every_steps)");
  EXPECT_EQ(saves("d", {"checkpoint.every_minutes=0.5"}),
            "every 4 steps and every 0.5 minutes (checkpoint.every_steps, checkpoint.every_minutes)");
  EXPECT_THAT(lockstep({"status", "runs/b"}).out, HasSubstr("saves       every 10 minutes (the default"));
}

TEST_F(Life, MinutesOfTheClockSaveARunThatIsKilled) {
  const std::string fired = dir_ / "fired";
  // 0.6 ms, so that every other step or so is saved.
  const ProcessResult killed =
      lockstep({"train", "-c", "run.yaml", "checkpoint={every_steps: null, every_minutes: 0.00001}"},
               {{"LOCKSTEP_FAULT", "kill@step=11,file=" + fired}});
  EXPECT_EQ(killed.code, 128 + 9) << killed.err;
  const ProcessResult resumed = lockstep({"train", "-c", "run.yaml", "--resume", "must"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  train({"run.name=undisturbed"});
  EXPECT_EQ(json::parse(read_file(dir_ / "runs/small/DONE"))["state_hash"],
            json::parse(read_file(dir_ / "runs/undisturbed/DONE"))["state_hash"]);
}

TEST_F(Life, AKillInTheLastEvaluationLosesNothing) {
  const std::vector<std::string> best = {"train", "-c", "run.yaml",
                                         "checkpoint.keep_best={metric: valid_loss, count: 1}"};
  const std::string fired = dir_ / "fired";
  const ProcessResult killed = lockstep(best, {{"LOCKSTEP_FAULT", "kill@step=12,point=eval,file=" + fired}});
  EXPECT_EQ(killed.code, 128 + 9) << killed.err;
  EXPECT_TRUE(json::parse(lockstep({"status", "runs/small", "--json"}).out)["checkpoint_step"] == 12);
  EXPECT_EQ(lockstep(best).code, 0);
  std::vector<std::string> other = best;
  other.push_back("run.name=undisturbed");
  EXPECT_EQ(lockstep(other).code, 0);
  const auto evaluated = [&](const std::string& run) {
    const auto lines = lines_of(read_file(dir_ / ("runs/" + run + "/metrics.jsonl")));
    json last = json::parse(lines.back());
    for (const char* of_time : {"attempt", "samples_per_s", "time", "seconds", "straggler_ratio"})
      last.erase(of_time);
    return last;
  };
  EXPECT_EQ(evaluated("small"), evaluated("undisturbed"));
  for (const char* file : {"ckpt/best", "weights.h5"})
    EXPECT_EQ(read_file(dir_ / ("runs/small/" + std::string(file))).size(),
              read_file(dir_ / ("runs/undisturbed/" + std::string(file))).size());
  EXPECT_EQ(read_file(dir_ / "runs/small/ckpt/best").substr(0, 13),
            read_file(dir_ / "runs/undisturbed/ckpt/best").substr(0, 13));
}

}  // namespace
}  // namespace lockstep::testing
