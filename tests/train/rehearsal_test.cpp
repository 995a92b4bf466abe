// SPDX-License-Identifier: Apache-2.0
#include "train/rehearsal.h"

#include "train/small_run.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

class RehearsalTest : public SmallRun {
 protected:
  RehearsalTest() { validates_ = true; }
  void expect_refused(ExitCode code, const std::vector<std::string>& parts) {
    bool stepped = false;
    watch_ = [&stepped, inner = watch_](torch::Tensor input) {
      stepped = stepped || torch::GradMode::is_enabled();
      return inner ? inner(input) : input;
    };
    const Fault fault = fault_of_life();
    EXPECT_EQ(fault.code(), code) << fault.what();
    for (const std::string& part : parts) EXPECT_THAT(fault.what(), HasSubstr(part));
    EXPECT_FALSE(stepped) << "a step was computed before it was found";
  }
};

TEST_F(RehearsalTest, FindsAMetricThatIsNotMeasuredBeforeTheFirstStep) {
  options_.checkpoint.keep_best = {"valid_acc", BestMode::kMax, 1};
  expect_refused(ExitCode::kConfig, {"valid_acc", "It gives valid_accuracy, valid_loss"});
}

TEST_F(RehearsalTest, LooksAgainWhenARunGoesOnWithAnotherMetric) {
  live();
  options_.train.steps = 9;
  options_.checkpoint.keep_best = {"valid_acuracy", BestMode::kMax, 1};
  expect_refused(ExitCode::kConfig, {"valid_acuracy"});
  EXPECT_TRUE(real_disk().info(folder_ / "run/DONE")) << "nothing was trained, so it is as done as it was";
}

TEST_F(RehearsalTest, RefusesValidationDataWithoutASample) {
  valid_ = [] { return std::make_unique<Points>(0); };
  expect_refused(ExitCode::kInputMissing, {"the validation data has no sample"});
}

TEST_F(RehearsalTest, RefusesOptionsThatNeedValidationDataWhereThereIsNone) {
  validates_ = false;
  options_.train.eval_every = 2;
  expect_refused(ExitCode::kConfig, {"train.eval_every has no effect"});
  options_.train.eval_every = 0;
  options_.checkpoint.keep_best.count = 1;
  expect_refused(ExitCode::kConfig, {"checkpoint.keep_best has no effect"});
}

TEST_F(RehearsalTest, RefusesAWarmUpThatNeverEndsInARunByEpochs) {
  options_.train.steps = 0;
  options_.train.epochs = 2;
  options_.schedule.warmup_steps = 9;
  expect_refused(ExitCode::kConfig, {"schedule.warmup_steps is 9 and the run has 8 steps"});
}

TEST_F(RehearsalTest, TriesTheShortLastChunkToo) {
  watch_ = [](torch::Tensor input) {
    if (input.size(0) == 2) throw std::runtime_error("two are too few");
    return input;
  };
  expect_refused(ExitCode::kBug, {"model probe threw at the evaluation of samples 8 to 9", "two are too few",
                                  "input float32 [2, 6]", "sample 8; sample 9"});
}

TEST_F(RehearsalTest, SaysWhenTheModelDoesNotTakeTheValidationData) {
  watch_ = [](torch::Tensor input) { return torch::GradMode::is_enabled() ? input : input.reshape({-1, 5}); };
  expect_refused(ExitCode::kConfig, {"model probe threw at the evaluation"});
}

TEST_F(RehearsalTest, RefusesAFolderWhereTheRunWillWriteAFile) {
  for (const std::string name : {"weights.h5", "DONE", "ckpt/best"}) {
    make_directories(real_disk(), folder_ / "run/" + name);
    expect_refused(ExitCode::kRunDirectory, {name, "a folder is where the run will write a file"});
    real_disk().remove(folder_ / "run/" + name);
  }
}

// Fills buffers and draws while it is evaluated: what a rehearsal must not leave behind.
struct Filling : Probe {
  Filling() {
    seen = register_buffer("seen", torch::zeros({1}));
    calls = register_buffer("calls", torch::zeros({1}, torch::kInt64));
  }
  torch::Tensor forward(torch::Tensor input) override {
    torch::NoGradGuard no_grad;
    if (!is_training()) {
      seen.fill_(1);
      calls.fill_(1);
      torch::rand({3});
    }
    const torch::AutoGradMode grad(is_training());
    return Probe::forward(input + 0.1 * torch::rand_like(input) + 0.01 * seen);
  }
  torch::Tensor seen, calls;
};

TEST_F(RehearsalTest, ChangesNoBitOfTheRun) {
  model_ = [] { return std::make_shared<Filling>(); };
  live();
  const Digest with = CheckpointReader::open(real_disk(), folder_ / "run/ckpt/step-00000005")->state_hash();
  // The same without an evaluation before the last save.
  validates_ = false;
  options_.run.dir = folder_ / "other";
  live();
  EXPECT_EQ(CheckpointReader::open(real_disk(), folder_ / "other/ckpt/step-00000005")->state_hash(), with);
}

}  // namespace
}  // namespace lockstep
