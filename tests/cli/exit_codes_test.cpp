// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "cli/binary.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ExitCodes : public Binary {
 protected:
  // One bit of the first model tensor of a checkpoint.
  void flip(const std::string& checkpoint) const {
    const auto manifest = nlohmann::json::parse(read_file(checkpoint + "/manifest.json"));
    for (const auto& tensor : manifest["tensors"]) {
      if (tensor["group"] != "model") continue;
      const auto offset = tensor["offset"].get<std::streamoff>();
      std::fstream file(checkpoint + "/checkpoint.h5", std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(offset);
      const char byte = static_cast<char>(file.get() ^ 1);
      file.seekp(offset);
      file.put(byte);
      return;
    }
    FAIL() << checkpoint << " has no tensor of the model";
  }
};

TEST_F(ExitCodes, AreSixtyFourForWrongUsage) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{},
        {"trian"},
        {"train"},
        {"train", "-c", "run.yaml", "--colour"},
        {"predict", "-c", "run.yaml", "--weights", "w.h5"},
        {"status"},
        {"ckpt"},
        {"eval", "-c", "run.yaml", "--weights", "w.h5", "--part", "test"}}) {
    const ProcessResult result = lockstep(words);
    EXPECT_EQ(result.code, 64) << result.err;
    EXPECT_THAT(result.err + result.out, HasSubstr("--help"));
  }
}

TEST_F(ExitCodes, AreSixtySixForMissingInput) {
  expect_refused(lockstep({"train", "-c", "nothing.yaml"}), 66, {"nothing.yaml"});
  write_file(dir_ / "idx.yaml",
             "model: {type: mlp, inputs: 784}\ntrain: {steps: 2}\n"
             "data: {type: idx, train: {inputs: no-idx3, labels: no-idx1}}\n");
  expect_refused(lockstep({"train", "-c", "idx.yaml"}), 66, {dir_ / "no-idx"});
  expect_refused(ranks(2, {"train", "-c", "idx.yaml"}), 66, {dir_ / "no-idx"});
  expect_refused(lockstep({"eval", "-c", "run.yaml", "--weights", "no.h5"}), 66, {"no.h5"});
}

TEST_F(ExitCodes, AreSeventyEightForAConfigThatIsWrong) {
  write_file(dir_ / "bad.yaml", "train:\n  steps: 3\noptim:\n  lrr: 1\n");
  expect_refused(lockstep({"train", "-c", "bad.yaml"}), 78,
                 {"bad.yaml:4:3", "optim.lrr: unknown key", "Did you mean optim.lr?"});
  expect_refused(lockstep({"config", "check", "-c", "run.yaml", "train.steps=-1"}), 78,
                 {"train.steps", "-1"});
}

TEST_F(ExitCodes, AreSeventyEightForMoreRanksThanMicroBatches) {
  expect_refused(ranks(3, {"train", "-c", "run.yaml"}), 78, {"3 ranks", "2 micro-batches"});
  EXPECT_EQ(ranks(2, {"train", "-c", "run.yaml"}).code, 0);
}

// Found where the model is laid out, which every rank does for itself.
TEST_F(ExitCodes, AreSeventyEightOnceAJobForGroupsThatLeaveNothingToTrain) {
  for (const auto& [groups, fact] :
       {std::pair("optim.groups=[{match: [\"*\"], frozen: true}]", "there is nothing to train"),
        std::pair("optim.groups=[{match: [no.such.*], lr: 1}]", "no.such.*")}) {
    const ProcessResult result = ranks(2, {"train", "-c", "run.yaml", groups});
    expect_refused(result, 78, {fact});
    EXPECT_EQ(result.err.find("error: "), result.err.rfind("error: ")) << result.err;
    EXPECT_THAT(result.err, ::testing::Not(HasSubstr("asked to stop")));
  }
}

TEST_F(ExitCodes, AreSixtyNineForADeviceThatIsNotThere) {
  const ProcessResult result =
      lockstep({"train", "-c", "run.yaml", "train.device=cuda"}, {{"CUDA_VISIBLE_DEVICES", ""}});
  expect_refused(result, 69, {"cuda", "train.device"});
}

TEST_F(ExitCodes, AreSixtyFiveWhenThereMustBeACheckpoint) {
  expect_refused(lockstep({"train", "-c", "run.yaml", "--resume", "must"}), 65, {"runs/small"});
  EXPECT_FALSE(fs::exists(dir_ / "runs/small/DONE"));
}

TEST_F(ExitCodes, AreSixtyFiveForADamagedFile) {
  train();
  const std::string newest = dir_ / "runs/small/ckpt/step-00000012";
  flip(newest);
  const ProcessResult verified = lockstep({"ckpt", "verify", newest});
  EXPECT_EQ(verified.code, 65);
  EXPECT_THAT(verified.out, HasSubstr("checkpoint.h5"));
  expect_refused(lockstep({"eval", "-c", "run.yaml", "--weights", newest}), 65, {"step-00000012"});
}

TEST_F(ExitCodes, AreSixtyFiveAndNothingIsOverwrittenWhenEveryCheckpointIsDamaged) {
  train();
  int flipped = 0;
  for (const auto& entry : fs::directory_iterator(dir_ / "runs/small/ckpt")) {
    if (!entry.is_directory()) continue;
    flip(entry.path().string());
    ++flipped;
  }
  ASSERT_GE(flipped, 1);
  const ProcessResult result = lockstep({"train", "-c", "run.yaml", "train.steps=20"});
  expect_refused(result, 65, {"runs/small/ckpt"});
  int bad = 0;
  for (const auto& entry : fs::directory_iterator(dir_ / "runs/small/ckpt"))
    bad += entry.path().string().find(".bad") != std::string::npos ? 1 : 0;
  EXPECT_EQ(bad, flipped);
}

TEST_F(ExitCodes, AreSeventyThreeForARunDirectoryThatCannotBe) {
  write_file(dir_ / "file", "in the way");
  expect_refused(lockstep({"train", "-c", "run.yaml", "--run", "file"}), 73, {"run directory file"});
  expect_refused(lockstep({"train", "-c", "run.yaml", "--run", "file/below"}), 73, {"file/below"});
  expect_refused(ranks(2, {"train", "-c", "run.yaml", "--run", "/proc/lockstep"}), 73, {"/proc/lockstep"});
}

TEST_F(ExitCodes, AreSeventyThreeForAFileSizeLimitNoCheckpointFitsIn) {
  const ProcessResult result =
      run({"bash", "-c",
           "ulimit -f 4 && exec " LOCKSTEP_BINARY " train -c run.yaml --run runs/full model.hidden=[2048]"},
          in_folder());
  expect_refused(result, 73, {"checkpoint", "ulimit -f"});
}

// What really fails a disk is in tests/fault.
TEST_F(ExitCodes, AreSeventyFourWhenStorageFails) {
  const std::string fired = dir_ / "fired";
  train();
  expect_refused(lockstep({"train", "-c", "run.yaml", "train.steps=100"},
                          {{"LOCKSTEP_FAULT", "throw@point=ckpt.after_shard,file=" + fired}}),
                 74, {"ckpt.after_shard"});
  EXPECT_TRUE(fs::exists(fired));
  EXPECT_EQ(lockstep({"ckpt", "verify", "runs/small"}).code, 0);
}

TEST_F(ExitCodes, AreSeventySevenWhileAnotherJobHasTheRun) {
  Process first({LOCKSTEP_BINARY, "train", "-c", "run.yaml", "train.steps=10000000", "train.eval_every=0",
                 "checkpoint.every_steps=1000000"},
                in_folder());
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  const auto steps = [&] { return lockstep({"status", "runs/small", "--json"}).out; };
  while (steps().find("\"state\": \"running\"") == std::string::npos &&
         std::chrono::steady_clock::now() < limit)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  while (!fs::exists(dir_ / "runs/small/metrics.jsonl") && std::chrono::steady_clock::now() < limit)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const std::string owner = "pid " + std::to_string(first.pid());
  expect_refused(lockstep({"train", "-c", "run.yaml"}), 77, {"runs/small", owner});
  EXPECT_THAT(steps(), HasSubstr(owner));
  first.signal(SIGTERM);
  const ProcessResult ended = first.wait();
  EXPECT_EQ(ended.code, 75) << ended.err;
  EXPECT_THAT(steps(), HasSubstr("\"state\": \"stopped\""));
}

TEST_F(ExitCodes, AreNinetyThreeForALossThatIsNotANumber) {
  const std::string fired = dir_ / "fired";
  const ProcessResult result = lockstep({"train", "-c", "run.yaml", "checkpoint.async=true"},
                                        {{"LOCKSTEP_FAULT", "nan@point=loss,step=6,file=" + fired}});
  expect_refused(result, 93, {"step 6", "nan", "optim.lr"});
  EXPECT_EQ(lines_of(read_file(fired)).size(), 1u);
  EXPECT_EQ(lockstep({"ckpt", "verify", "runs/small/ckpt/step-00000004"}).code, 0);
}

TEST_F(ExitCodes, AreSeventyFiveWhenStoppedOnRequestAndTheNextStartGoesOn) {
  train({"run.dir=runs/whole"});
  const std::string fired = dir_ / "fired";
  const ProcessResult result =
      lockstep({"train", "-c", "run.yaml"}, {{"LOCKSTEP_FAULT", "usr1@rank=0,step=5,file=" + fired}});
  EXPECT_EQ(result.code, 75) << result.err;
  EXPECT_EQ(lines_of(read_file(fired)).size(), 1u);
  EXPECT_TRUE(fs::exists(dir_ / "runs/small/ckpt/step-00000005"));
  train();
  EXPECT_EQ(read_file(dir_ / "runs/small/DONE"), read_file(dir_ / "runs/whole/DONE"));
}

TEST_F(ExitCodes, AreSixtyFourForAFaultPlanThatCannotBeRead) {
  expect_refused(lockstep({"train", "-c", "run.yaml"}, {{"LOCKSTEP_FAULT", "explode@step=1"}}), 64,
                 {"LOCKSTEP_FAULT", "explode"});
}

}  // namespace
}  // namespace lockstep::testing
