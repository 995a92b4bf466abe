// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include "lockstep/base/fault_point.h"
#include "support/forwarding_disk.h"
#include "support/manual_clock.h"
#include "train/small_run.h"

namespace lockstep {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The validation loss of this run is least at step 2 and largest at step 5.
class TrainerTest : public SmallRun {};

TEST_F(TrainerTest, SavesTheLastStepBeforeItIsEvaluated) {
  validates_ = true;
  int evaluations = 0;
  watch_ = [&](torch::Tensor input) {
    // The two chunks of the rehearsal come first.
    if (!torch::GradMode::is_enabled() && ++evaluations > 2) throw std::runtime_error("out of luck");
    return input;
  };
  EXPECT_THAT(fault_of_life().what(), HasSubstr("out of luck"));
  EXPECT_TRUE(has_checkpoint(5));
  EXPECT_TRUE(record(5).metrics.empty());
  EXPECT_FALSE(real_disk().info(folder_ / "run/DONE"));
  // The next life begins with what was left to do.
  watch_ = {};
  const Ending ending = live();
  EXPECT_FALSE(ending.trained);
  EXPECT_EQ(ending.step, Step(5));
  EXPECT_EQ(record(5).metrics.count("valid_loss"), 1u);
  EXPECT_TRUE(real_disk().info(folder_ / "run/DONE"));
}

TEST_F(TrainerTest, WhatTheLastEvaluationFindsIsInTheCheckpointAndIsTheBest) {
  validates_ = true;
  options_.train.eval_every = 2;
  options_.checkpoint.keep_best = {"valid_loss", BestMode::kMax, 1};
  options_.checkpoint.keep_last = 1;
  live();
  EXPECT_EQ(best(), "step-00000005");
  EXPECT_EQ(record(5).best.at("step"), 5);
  EXPECT_EQ(record(5).best.at("value"), record(5).metrics.at("valid_loss"));
  EXPECT_FALSE(has_checkpoint(4)) << "neither the best nor the newest any more";
  const auto reader = CheckpointReader::open(real_disk(), folder_ / "run/ckpt/step-00000005");
  EXPECT_NO_THROW(reader->verify());
  EXPECT_THAT(testing::read_file(folder_ / "run/ckpt/best"), HasSubstr(reader->manifest().digest.hex()));
  EXPECT_EQ(testing::read_file(folder_ / "run/ckpt/best"), testing::read_file(folder_ / "run/ckpt/latest"));
}

TEST_F(TrainerTest, TheBestOfBeforeStaysTheBestWhenTheLastIsNot) {
  validates_ = true;
  options_.train.eval_every = 2;
  options_.checkpoint.keep_best = {"valid_loss", BestMode::kMin, 1};
  live();
  EXPECT_EQ(best(), "step-00000002");
  EXPECT_EQ(record(5).best.at("step"), 2);
  EXPECT_EQ(record(5).metrics.count("valid_loss"), 1u);
}

TEST_F(TrainerTest, AnotherRuleHasAnotherBestOfWhatIsThere) {
  validates_ = true;
  options_.train.eval_every = 1;
  options_.train.steps = 4;
  options_.checkpoint.every_steps = 1;
  options_.checkpoint.keep_last = 9;
  options_.checkpoint.keep_best = {"valid_loss", BestMode::kMax, 1};
  live();
  EXPECT_NE(best(), "step-00000002");
  options_.checkpoint.keep_best = {"valid_loss", BestMode::kMin, 1};
  options_.train.steps = 5;
  live();
  EXPECT_EQ(best(), "step-00000002");
  EXPECT_EQ(record(5).best.at("step"), 2);
}

TEST_F(TrainerTest, AFinishedRunStartedAgainTrainsNothingAndStaysDone) {
  EXPECT_TRUE(live().trained);
  const std::string done = testing::read_file(folder_ / "run/DONE");
  for (const int steps : {5, 3}) {
    options_.train.steps = steps;
    options_.optim.lr *= 2;
    const Ending again = live();
    EXPECT_FALSE(again.trained);
    EXPECT_EQ(again.step, Step(5));
    EXPECT_EQ(testing::read_file(folder_ / "run/DONE"), done);
  }
  options_.train.steps = 6;
  EXPECT_TRUE(live().trained);
  EXPECT_EQ(live().step, Step(6));
}

// The step after the one in which the time was up is saved. Each step takes a minute of the clock that the
// test turns; a save as long as it is told.
class TrainerByTheClock : public TrainerTest {
 protected:
  class SlowDisk : public ForwardingDisk {
   public:
    SlowDisk(ManualClock& clock, seconds save) : ForwardingDisk(real_disk()), clock_(clock), save_(save) {}
    void rename(const std::string& from, const std::string& to) override {
      if (to.find("/ckpt/step-") != std::string::npos && from.find("staging") != std::string::npos)
        clock_.advance(save_);
      inner_.rename(from, to);
    }

   private:
    ManualClock& clock_;
    seconds save_;
  };

  // The steps that were saved.
  std::vector<std::string> saved(int steps, seconds save) {
    SlowDisk disk(turned_, save);
    disk_ = &disk;
    clock_ = &turned_;
    options_.train.steps = steps;
    int micro_batches = 0;
    watch_ = [&, micro_batches](torch::Tensor input) mutable {
      if (micro_batches++ % 3 == 0) turned_.advance(minutes(1));
      return input;
    };
    live();
    disk_ = &real_disk();
    return events("checkpoint_saved", "step");
  }

  ManualClock turned_;
};

TEST_F(TrainerByTheClock, SavesEveryTenMinutesByDefault) {
  options_.checkpoint.every_minutes = 10;
  options_.checkpoint.time_share = 0.01;
  EXPECT_THAT(saved(35, seconds(0)), ElementsAre("11", "22", "33", "35"));
  EXPECT_THAT(events("save_interval", "every"), ElementsAre("every 10 minutes"));
}

TEST_F(TrainerByTheClock, SavesRarerWhereASaveTakesHalfAMinute) {
  options_.checkpoint.every_minutes = 10;
  options_.checkpoint.time_share = 0.01;
  EXPECT_THAT(saved(120, seconds(30)), ElementsAre("11", "62", "113", "120"));
  EXPECT_THAT(events("save_interval", "every"), ElementsAre("every 10 minutes", "every 50 minutes"));
}

TEST_F(TrainerByTheClock, StepsAndMinutesTogether) {
  options_.checkpoint.every_minutes = 2.5;
  options_.checkpoint.every_steps = 10;
  EXPECT_THAT(saved(14, seconds(0)), ElementsAre("4", "8", "10", "14"));
}

TEST_F(TrainerByTheClock, CountsFromWhereItResumed) {
  options_.checkpoint.every_minutes = 10;
  saved(5, seconds(0));
  turned_.advance(minutes(60));
  EXPECT_THAT(saved(20, seconds(0)), ElementsAre("5", "16", "20"));
}

}  // namespace
}  // namespace lockstep
