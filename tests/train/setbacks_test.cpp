// SPDX-License-Identifier: Apache-2.0
#include "train/setbacks.h"

#include <limits>
#include <set>

#include "lockstep/base/fault_point.h"
#include "train/small_run.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// Points, with a NaN in the input of some. In order: sample i is of step i / 12 + 1.
class Spoilt : public Points {
 public:
  Spoilt(std::int64_t size, std::set<std::int64_t> bad) : Points(size), bad_(std::move(bad)) {}
  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    Points::sample(index, input, target);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    if (bad_.contains(index)) std::memcpy(input.data() + 4, &nan, sizeof nan);
  }

 private:
  std::set<std::int64_t> bad_;
};

// Normalizes, and so has buffers that a forward changes: floating ones and a count.
struct Normalizing : Probe {
  Normalizing() { norm = register_module("norm", torch::nn::BatchNorm1d(4)); }
  torch::Tensor forward(torch::Tensor input) override { return second(norm(first(input))); }
  torch::nn::BatchNorm1d norm{nullptr};
};

// A loss that is finite, with a gradient that is not where a sample's first value is that of sample 36.
struct Rooted : Probe {
  torch::Tensor forward(torch::Tensor input) override {
    const bool bad = input[0][0].item<float>() == static_cast<float>(std::sin(1.7 * 36));
    const torch::Tensor hidden = first(input);
    return second(bad ? hidden + torch::sqrt(first->bias * 0).sum() : hidden);
  }
};

// Seven steps, of which the fourth meets a NaN; a checkpoint after each.
class SetbacksTest : public SmallRun {
 protected:
  SetbacksTest() {
    options_.train.steps = 7;
    options_.shuffle = false;
    options_.checkpoint.every_steps = 1;
    options_.checkpoint.keep_last = 20;
    options_.optim.type = "adamw";
    bad_ = {41};
    train_ = [this] { return std::make_unique<Spoilt>(120, bad_); };
    model_ = [] { return std::make_shared<Normalizing>(); };
  }
  ~SetbacksTest() override { arm_fault_points("", {}); }

  void use(const std::string& on_nan, std::int64_t steps = 2, std::int64_t batches = 1) {
    options_.numbers.on_nan = on_nan;
    options_.numbers.rollback = {steps, batches};
    options_.checkpoint.keep_behind = steps;
  }
  // Digests by tensor, and the whole hash.
  std::map<std::string, std::string> tensors(int step) {
    std::map<std::string, std::string> digests;
    const auto reader =
        CheckpointReader::open(real_disk(), folder_ / fmt::format("run/ckpt/step-{:08}", step));
    for (const auto& tensor : reader->manifest().tensors) digests[tensor.key.path()] = tensor.digest.hex();
    return digests;
  }
  std::string last_hash() {
    return nlohmann::json::parse(testing::read_file(folder_ / "run/DONE")).at("state_hash");
  }
  // The lines of a step in metrics.jsonl.
  std::vector<nlohmann::json> lines(int step) {
    std::vector<nlohmann::json> found;
    std::istringstream stream(testing::read_file(folder_ / "run/metrics.jsonl"));
    for (std::string line; std::getline(stream, line);)
      if (const auto json = nlohmann::json::parse(line); json["step"] == step) found.push_back(json);
    return found;
  }
  void begin_anew() { std::filesystem::remove_all(std::string(folder_ / "run")); }
  std::string hash_at(int world) {
    begin_anew();
    run_loopback(WorldSize(world), [&](World& ranks) { live_in(ranks); });
    return last_hash();
  }

  std::set<std::int64_t> bad_;
};

TEST_F(SetbacksTest, ASkippedStepLeavesNothingBehindNotEvenInBuffers) {
  use("skip");
  live();
  EXPECT_EQ(tensors(4), tensors(3));
  EXPECT_NE(tensors(5), tensors(4));
  EXPECT_EQ(tensors(3).count("model/norm.running_mean"), 1u);
  EXPECT_EQ(tensors(3).count("model/norm.num_batches_tracked"), 1u);
  EXPECT_THAT(events("step_skipped", "step"), ElementsAre("4"));
  EXPECT_THAT(events("step_skipped", "cause"),
              ElementsAre(HasSubstr("the input of sample 41 is not finite")));
  ASSERT_EQ(lines(4).size(), 1u);
  EXPECT_TRUE(lines(4)[0]["loss"].is_null());
  EXPECT_GT(lines(4)[0]["lr"], 0);
  EXPECT_TRUE(lines(5)[0]["loss"].is_number());
}

TEST_F(SetbacksTest, SkipsAlikeOnAnyNumberOfRanks) {
  use("skip");
  const std::string alone = hash_at(1);
  for (const int world : {2, 3}) {
    EXPECT_EQ(hash_at(world), alone) << world;
    EXPECT_THAT(events("step_skipped", "step"), ElementsAre("4"));
  }
}

TEST_F(SetbacksTest, RollsBackAlikeOnAnyNumberOfRanks) {
  use("rollback", 3, 2);
  const std::string alone = hash_at(1);
  for (const int world : {2, 3}) EXPECT_EQ(hash_at(world), alone) << world;
}

TEST_F(SetbacksTest, SkipsAStepOfWhichOnlyAGradientIsNotFinite) {
  use("skip");
  options_.log.every_steps = 100;  // nobody reads that step's norm
  options_.checkpoint.every_steps = 0;
  bad_ = {};
  model_ = [] { return std::make_shared<Rooted>(); };
  live();
  EXPECT_THAT(events("step_skipped", "cause"),
              ElementsAre(HasSubstr("the gradient of parameter first.bias is not finite in micro-batch 0")));
}

TEST_F(SetbacksTest, ARunThatGoesOnBehindTheStepKnowsItFromTheRecord) {
  use("skip");
  live();
  const std::string whole = last_hash();
  begin_anew();
  options_.train.steps = 5;
  live();
  // Its checkpoints of before are gone, the data is mended: the record alone knows.
  bad_ = {};
  for (const int step : {4, 5})
    std::filesystem::remove_all(std::string(folder_ / fmt::format("run/ckpt/step-{:08}", step)));
  options_.train.steps = 7;
  live();
  EXPECT_EQ(last_hash(), whole);
  EXPECT_THAT(events("step_skipped", "step"), ElementsAre("4"));
  ASSERT_EQ(lines(4).size(), 2u);
  EXPECT_TRUE(lines(4)[1]["loss"].is_null());
}

TEST_F(SetbacksTest, AnOlderCheckpointGoneBackToKnowsNothingOfLaterSkips) {
  use("skip");
  live();
  bad_ = {};
  options_.resume.mode = folder_ / "run/ckpt/step-00000003";
  live();
  EXPECT_TRUE(lines(4).back()["loss"].is_number());
  // Nor does the life after it.
  options_.resume.mode = "auto";
  options_.train.steps = 8;
  live();
  EXPECT_TRUE(record(8).extra.find("left_out") == std::string::npos);
}

TEST_F(SetbacksTest, EndsAtTheTenthBadStepInARow) {
  use("skip");
  options_.train.steps = 30;
  arm_fault_points("nan@point=loss", {});
  const Fault fault = fault_of_life();
  EXPECT_EQ(fault.code(), ExitCode::kNeverRestart);
  EXPECT_THAT(fault.what(), HasSubstr("step 10: "));
  EXPECT_THAT(fault.what(), HasSubstr("the 10th bad step in a row"));
  EXPECT_EQ(events("step_skipped", "step").size(), 9u);
}

TEST_F(SetbacksTest, ARollbackIsTheRunWithoutTheBatchesItLeavesOut) {
  use("skip");
  live();
  const std::string skipped = last_hash();
  begin_anew();
  use("rollback");
  live();
  EXPECT_EQ(last_hash(), skipped);
  EXPECT_THAT(events("rolled_back", "step"), ElementsAre("4"));
  EXPECT_THAT(events("rolled_back", "to_at_most"), ElementsAre("2"));
  EXPECT_THAT(events("resumed", "step"), ElementsAre("2"));
  EXPECT_THAT(events("checkpoint_left", "directory"), ElementsAre("step-00000003"));
  EXPECT_EQ(lines(3).size(), 2u);
  EXPECT_TRUE(lines(4).back()["loss"].is_null());
}

TEST_F(SetbacksTest, ARollbackLeavesOutTheBatchesBeforeAndBehind) {
  use("rollback", 3, 3);
  live();
  EXPECT_THAT(events("rolled_back", "leaves_out"), ElementsAre("steps 3 to 5"));
  EXPECT_EQ(tensors(5), tensors(2));
  EXPECT_NE(tensors(6), tensors(5));
}

TEST_F(SetbacksTest, TheBestOfBeforeTheRollbackIsTheBestAgain) {
  use("rollback", 3, 1);
  validates_ = true;
  options_.train.eval_every = 1;
  options_.checkpoint.keep_best = {"valid_loss", BestMode::kMax, 1};
  live();
  const TrainRecord last = record(7);
  begin_anew();
  use("skip");
  live();
  EXPECT_EQ(record(7).best, last.best);
}

TEST_F(SetbacksTest, GoesBackToNoDamagedCheckpoint) {
  use("rollback");
  options_.train.steps = 3;
  live();
  const std::string file = folder_ / "run/ckpt/step-00000002/checkpoint.h5";
  std::string bytes = testing::read_file(file);
  bytes[bytes.size() / 2] ^= 1;
  testing::write_file(file, bytes);
  options_.train.steps = 7;
  live();
  EXPECT_THAT(events("resumed", "step"), ElementsAre("3", "1"));
  EXPECT_TRUE(real_disk().info(folder_ / "run/ckpt/step-00000002.bad"));
}

TEST_F(SetbacksTest, EndsWhereThereIsNothingOldEnoughAndLeavesTheNewerAlone) {
  use("rollback", 5, 1);
  const Fault fault = fault_of_life();
  EXPECT_EQ(fault.code(), ExitCode::kNeverRestart);
  EXPECT_THAT(fault.what(), HasSubstr("There is no checkpoint of step -1 or older"));
  EXPECT_TRUE(has_checkpoint(3));
}

TEST_F(SetbacksTest, EndsWhereThreeRollbacksComeNoFurther) {
  use("rollback");
  options_.train.steps = 20;
  bad_ = {};
  arm_fault_points("nan@point=loss,step=4;nan@point=loss,step=5;nan@point=loss,step=7;nan@point=loss,step=8",
                   {});
  const Fault fault = fault_of_life();
  EXPECT_EQ(fault.code(), ExitCode::kNeverRestart);
  EXPECT_THAT(fault.what(), HasSubstr("3 rollbacks did not bring the run 2 steps past"));
  EXPECT_THAT(events("rolled_back", "step"), ElementsAre("4", "5", "7"));
}

TEST_F(SetbacksTest, ComesPastWhereTheyLieApart) {
  use("rollback");
  options_.train.steps = 20;
  bad_ = {};
  arm_fault_points(
      "nan@point=loss,step=4;nan@point=loss,step=7;nan@point=loss,step=10;nan@point=loss,step=13", {});
  live();
  EXPECT_EQ(events("rolled_back", "step").size(), 4u);
}

TEST_F(SetbacksTest, KeepsACheckpointThatIsOldEnough) {
  use("rollback", 4, 1);
  options_.checkpoint.keep_last = 1;
  bad_ = {12 * 6};
  live();
  EXPECT_THAT(events("rolled_back", "step"), ElementsAre("7"));
  EXPECT_THAT(events("resumed", "step"), ElementsAre("1"));
}

// A loss a hundred times what it was.
class SpikeTest : public SetbacksTest {
 protected:
  SpikeTest() {
    options_.train.steps = 14;
    bad_ = {};
    options_.numbers.on_spike = {"skip", 20, 8};
    model_ = [] {
      struct Jumping : Probe {
        torch::Tensor forward(torch::Tensor input) override {
          const bool bad = input[0][0].item<float>() == static_cast<float>(std::sin(1.7 * 120));
          return Probe::forward(input) * (bad ? 1e4 : 1);
        }
      };
      return std::make_shared<Jumping>();
    };
    train_ = [] { return std::make_unique<Points>(240); };
  }
};

TEST_F(SpikeTest, IsSkipped) {
  live();
  EXPECT_THAT(events("step_skipped", "step"), ElementsAre("11"));
  EXPECT_THAT(events("step_skipped", "cause"),
              ElementsAre(HasSubstr("robust standard deviations above the last 8")));
  EXPECT_EQ(tensors(11), tensors(10));
}

TEST_F(SpikeTest, IsOnlyToldByDefault) {
  EXPECT_EQ(NumberOptions().on_spike.action, "warn");
  options_.numbers.on_spike.action = "warn";
  live();
  EXPECT_THAT(events("loss_spike", "step"), ElementsAre("11"));
  EXPECT_NE(tensors(11), tensors(10));
}

TEST_F(SpikeTest, IsRolledBack) {
  options_.numbers.on_spike.action = "rollback";
  options_.numbers.rollback = {3, 2};
  live();
  EXPECT_THAT(events("rolled_back", "leaves_out"), ElementsAre("steps 10 to 11"));
  EXPECT_EQ(tensors(11), tensors(9));
}

TEST_F(SpikeTest, IsJudgedAlikeAfterAResume) {
  live();
  const std::string whole = last_hash();
  begin_anew();
  options_.train.steps = 10;
  live();
  options_.train.steps = 14;
  live();
  EXPECT_EQ(last_hash(), whole);
  EXPECT_THAT(events("step_skipped", "step"), ElementsAre("11"));
}

}  // namespace
}  // namespace lockstep
