// SPDX-License-Identifier: Apache-2.0
#include <fstream>

#include "cli/binary.h"

namespace lockstep::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Status : public Binary {
 protected:
  json status() const {
    const ProcessResult result = lockstep({"status", "runs/small", "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out, nullptr, false);
  }
  void append(const std::string& text) const {
    std::ofstream(dir_ / "runs/small/metrics.jsonl", std::ios::app) << text;
  }
};

TEST_F(Status, OfAFinishedRunIsDoneWithItsHash) {
  train();
  const json now = status();
  EXPECT_EQ(now["state"], "done");
  EXPECT_EQ(now["step"], 12);
  EXPECT_EQ(now["of"], 12);
  EXPECT_EQ(now["attempts"], 1);
  EXPECT_EQ(now["owner"], nullptr);
  EXPECT_EQ(now["checkpoint"], "step-00000012");
  EXPECT_EQ(now["state_hash"], json::parse(read_file(dir_ / "runs/small/DONE"))["state_hash"]);
  const std::string text = lockstep({"status", "runs/small"}).out;
  EXPECT_THAT(text, HasSubstr("12 of 12"));
  EXPECT_THAT(text, HasSubstr("done"));
}

TEST_F(Status, OfAKilledRunTellsHowFarItCame) {
  const std::string fired = dir_ / "fired";
  // A thread writes the lines: slow, so that it has, also on a busy machine.
  const ProcessResult killed = lockstep({"train", "-c", "run.yaml", "log.every_steps=1"},
                                        {{"LOCKSTEP_FAULT", "slow@step=8;kill@step=8,file=" + fired}});
  EXPECT_EQ(killed.code, 128 + 9);
  EXPECT_EQ(lines_of(read_file(fired)).size(), 1u);
  const json now = status();
  EXPECT_EQ(now["state"], "stopped");
  EXPECT_EQ(now["step"], 7);
  EXPECT_EQ(now["of"], 12);
  EXPECT_EQ(now["checkpoint_step"], 4);
}

TEST_F(Status, ReadsPastTornAndStrangeLines) {
  train();
  const json before = status();
  append("{\"step\": 99, \"loss\": 0.\n[1]\n\"text\"\n\n{\"step\": 77, \"attempt\": 3");
  EXPECT_EQ(status(), before);
}

TEST_F(Status, BelievesTheNewestAttempt) {
  train();
  append("{\"step\": 5, \"epoch\": 0, \"attempt\": 2, \"loss\": null, \"time\": \"now\"}\n");
  const json now = status();
  EXPECT_EQ(now["step"], 5);
  EXPECT_EQ(now["loss"], nullptr);
}

TEST_F(Status, KnowsTheEndOfARunByEpochs) {
  const std::string fired = dir_ / "fired";
  const ProcessResult stopped = lockstep({"train", "-c", "run.yaml", "train.steps=null", "train.epochs=3"},
                                         {{"LOCKSTEP_FAULT", "usr1@step=9,file=" + fired}});
  EXPECT_EQ(stopped.code, 75) << stopped.err;
  EXPECT_EQ(status()["of"], 24) << "8 steps an epoch: 128 samples, 16 a step";
}

TEST_F(Status, OfAFolderThatIsNoRunIsRefused) {
  expect_refused(lockstep({"status", "."}), 66, {"no run directory", "run.json"});
  expect_refused(lockstep({"status", "nowhere"}), 66, {"nowhere"});
}

}  // namespace
}  // namespace lockstep::testing
