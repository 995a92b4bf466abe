// SPDX-License-Identifier: Apache-2.0
#include "train/divergence.h"

#include <limits>

#include "lockstep/base/fault_point.h"
#include "train/small_run.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Points of floats, one of which is spoilt.
class Spoilt : public Dataset {
 public:
  Spoilt(bool input, float value) : input_(input), value_(value) {}
  std::int64_t size() const override { return 48; }
  SampleSpec spec() const override { return {DType::kFloat32, {6}, DType::kFloat32, {3}}; }
  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    float values[6] = {0, 1, 2, 3, 4, 5};
    float wanted[3] = {1, 0, 1};
    if (index == 17) (input_ ? values : wanted)[1] = value_;
    std::memcpy(input.data(), values, sizeof values);
    std::memcpy(target.data(), wanted, sizeof wanted);
  }
  std::string place_of(std::int64_t index) const override {
    return index < 10 ? "a.h5, row " + std::to_string(index) : "b.h5, row " + std::to_string(index - 10);
  }

 private:
  bool input_;
  float value_;
};

class Divergence : public SmallRun {
 protected:
  Divergence() { options_.shuffle = false; }
  std::string cause() {
    const Fault fault = fault_of_life();
    EXPECT_EQ(fault.code(), ExitCode::kNeverRestart) << fault.what();
    return fault.what();
  }
};

TEST_F(Divergence, NamesFileAndSampleOfAnInput) {
  train_ = [] { return std::make_unique<Spoilt>(true, std::numeric_limits<float>::quiet_NaN()); };
  const std::string text = cause();
  EXPECT_THAT(text, HasSubstr("step 2: the run has diverged (loss nan"));
  EXPECT_THAT(text, HasSubstr("the input of b.h5, row 7 is not finite: value 1 of 6 is nan (micro-batch 1)"));
  EXPECT_THAT(text, HasSubstr("Mend that sample"));
  EXPECT_THAT(text, HasSubstr("No checkpoint was made before it"));
  EXPECT_THAT(text, Not(HasSubstr("optim.lr")));
}

TEST_F(Divergence, NamesTheTarget) {
  train_ = [] { return std::make_unique<Spoilt>(false, std::numeric_limits<float>::infinity()); };
  EXPECT_THAT(cause(), HasSubstr("the target of b.h5, row 7 is not finite: value 1 of 3 is inf"));
}

TEST_F(Divergence, NamesTheMicroBatchWhoseLossIsNotFinite) {
  int calls = 0;
  // The loss of step 2, micro-batch 2, also when it is looked at again: no counter would do.
  watch_ = [&](torch::Tensor input) {
    ++calls;
    return input[0][0].item<float>() == static_cast<float>(std::sin(1.7 * 20)) ? input.div(0).abs() : input;
  };
  const std::string text = cause();
  EXPECT_THAT(text, HasSubstr("step 2"));
  EXPECT_THAT(text,
              HasSubstr("the loss of micro-batch 2 (sample 20; sample 21; sample 22; sample 23) is nan"));
  EXPECT_THAT(text, HasSubstr("Lower optim.lr"));
}

// Finite forward, a backward that is not in one micro-batch: sqrt at 0.
struct Rooted : Probe {
  torch::Tensor forward(torch::Tensor input) override {
    const bool bad = input[0][0].item<float>() == static_cast<float>(std::sin(1.7 * 4));
    const torch::Tensor hidden = first(input);
    return second(bad ? hidden + torch::sqrt(first->bias * 0).sum() : hidden);
  }
};

TEST_F(Divergence, NamesTheFirstParameterWhoseGradientIsNotFinite) {
  model_ = [] { return std::make_shared<Rooted>(); };
  const std::string text = cause();
  EXPECT_THAT(text, HasSubstr("step 1"));
  EXPECT_THAT(text,
              HasSubstr("the gradient of parameter first.bias is not finite in micro-batch 1 (sample 4"));
  EXPECT_THAT(text, HasSubstr("train.grad_clip does not help"));
}

TEST_F(Divergence, NamesTheParameterWhereTheGradientWasNotLookedAt) {
  options_.log.every_steps = 100;
  options_.train.steps = 50;
  // A step that nobody reads: the third.
  model_ = [] {
    struct Late : Rooted {
      torch::Tensor forward(torch::Tensor input) override {
        const bool third = ++calls_ > 6;
        const torch::Tensor hidden = first(input);
        return second(third ? hidden + torch::sqrt(first->bias * 0).sum() : hidden);
      }
      int calls_ = 0;
    };
    return std::make_shared<Late>();
  };
  const std::string text = cause();
  EXPECT_THAT(text, HasSubstr("step 4"));
  EXPECT_THAT(text, HasSubstr("parameter first.bias is not finite since the update of step 3"));
}

TEST_F(Divergence, IsToldAlikeOnAllRanks) {
  train_ = [] { return std::make_unique<Spoilt>(true, std::numeric_limits<float>::quiet_NaN()); };
  std::mutex mutex;
  std::vector<std::string> told;
  run_loopback(WorldSize(3), [&](World& world) {
    try {
      live_in(world);
    } catch (const Fault& fault) {
      const std::lock_guard lock(mutex);
      told.push_back(fault.what());
    }
  });
  ASSERT_EQ(told.size(), 3u);
  EXPECT_THAT(told[0], HasSubstr("b.h5, row 7"));
  EXPECT_EQ(told[0], told[1]);
  EXPECT_EQ(told[0], told[2]);
}

}  // namespace
}  // namespace lockstep
