// SPDX-License-Identifier: Apache-2.0
#include "train/user_code.h"

#include "train/small_run.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

class UserCode : public SmallRun {
 protected:
  UserCode() { options_.shuffle = false; }

  // What ends a run whose model does `what` in its n-th call.
  Fault fault_in_call(int n, const std::function<void(const torch::Tensor&)>& what) {
    int calls = 0;
    watch_ = [&, n](torch::Tensor input) {
      if (++calls == n) what(input);
      return input;
    };
    return fault_of_life();
  }
};

void expect_says(const Fault& fault, ExitCode code, const std::vector<std::string>& parts) {
  EXPECT_EQ(fault.code(), code) << fault.what();
  for (const std::string& part : parts) EXPECT_THAT(fault.what(), HasSubstr(part));
}

TEST_F(UserCode, WhatAModelThrowsNamesModelStepMicroBatchShapesAndSamples) {
  expect_says(
      fault_in_call(6, [](auto&) { throw std::out_of_range("map::at"); }), ExitCode::kBug,
      {"model probe threw at step 2, micro-batch 2 (input float32 [4, 6], target int64 [4]; sample 20; "
       "sample 21; sample 22; sample 23): std::out_of_range: map::at"});
  expect_says(fault_in_call(1, [](auto&) { throw 42; }), ExitCode::kBug,
              {"step 1, micro-batch 0", "an exception of type int"});
}

TEST_F(UserCode, AFaultOfTheirOwnPassesWithItsCode) {
  expect_says(fault_in_call(2, [](auto&) { throw Fault(ExitCode::kInputMissing, "no map", "Bring one"); }),
              ExitCode::kInputMissing, {"no map. Bring one"});
}

TEST_F(UserCode, WhatLibTorchRefusesAtFirstIsTheConfigLaterNot) {
  const auto misfit = [](const torch::Tensor& input) { (void)input.matmul(torch::ones({5, 5})); };
  expect_says(fault_in_call(1, misfit), ExitCode::kConfig,
              {"step 1, micro-batch 0", "Fit the model and the data"});
  expect_says(fault_in_call(5, misfit), ExitCode::kBug, {"step 2, micro-batch 1"});
}

TEST_F(UserCode, OutOfMemorySaysHowMuchWasAskedAndWhatLowersIt) {
  const auto hungry = [](const torch::Tensor&) { (void)torch::empty({std::int64_t{1} << 50}); };
  for (const int call : {1, 7})
    expect_says(fault_in_call(call, hungry), ExitCode::kCannotStart,
                {"out of memory: model probe", "4503599627370496 bytes were asked for", "[4, 6]",
                 "Lower train.micro_batch, which is 4"});
  expect_says(fault_in_call(1, [](auto&) { throw std::bad_alloc(); }), ExitCode::kCannotStart,
              {"out of memory"});
  options_.train.micro_batch = 1;
  expect_says(fault_in_call(1, hungry), ExitCode::kCannotStart, {"train.micro_batch is 1 already"});
}

TEST_F(UserCode, ASettingToLowerOnResumeComesWithItsPermission) {
  options_.checkpoint.every_steps = 1;
  const auto hungry = [](const torch::Tensor&) { (void)torch::empty({std::int64_t{1} << 50}); };
  expect_says(fault_in_call(7, hungry), ExitCode::kCannotStart, {"resume.allow_changes=[train.micro_batch]"});
}

// Throws in sample `at`.
class Broken : public Points {
 public:
  Broken(std::int64_t at, std::function<void()> what) : Points(48), at_(at), what_(std::move(what)) {}
  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    if (index == at_) what_();
    Points::sample(index, input, target);
  }
  std::string place_of(std::int64_t index) const override {
    return "train/a.h5, row " + std::to_string(index);
  }

 private:
  std::int64_t at_;
  std::function<void()> what_;
};

TEST_F(UserCode, WhatADatasetThrowsNamesStepMicroBatchFileAndSample) {
  const auto fault = [&](std::int64_t at, std::function<void()> what) {
    train_ = [at, what] { return std::make_unique<Broken>(at, what); };
    return fault_of_life();
  };
  expect_says(fault(17, [] { throw std::runtime_error("torn"); }), ExitCode::kBug,
              {"step 2, micro-batch 1: the dataset threw reading train/a.h5, row 17 (sample 17) of 48: "
               "std::runtime_error: torn"});
  expect_says(fault(3, [] { throw 1.5; }), ExitCode::kBug, {"step 1, micro-batch 0", "of type double"});
  expect_says(fault(3, [] { throw std::bad_alloc(); }), ExitCode::kCannotStart, {"out of memory", "row 3"});
  expect_says(fault(3, [] { throw Fault(ExitCode::kInputMissing, "gone"); }), ExitCode::kInputMissing,
              {"gone"});
}

TEST_F(UserCode, OnTheFirstMicroBatchAllRanksSayTheSame) {
  watch_ = [](torch::Tensor input) { return input.reshape({5, -1}); };
  std::mutex mutex;
  std::vector<ExitCode> codes;
  run_loopback(WorldSize(3), [&](World& world) {
    try {
      live_in(world);
    } catch (const AgreedFault& fault) {
      const std::lock_guard lock(mutex);
      codes.push_back(fault.code());
    }
  });
  EXPECT_EQ(codes, std::vector<ExitCode>(3, ExitCode::kConfig));
}

TEST(PlacesOf, ShowsTheFirstFewAndCountsTheOthers) {
  EXPECT_EQ(places_of(Points(48), {3, 5}), "sample 3; sample 5");
  EXPECT_EQ(places_of(Points(48), {3, 5, 7, 9, 11, 13}), "sample 3; sample 5; sample 7; sample 9 and 2 more");
}

}  // namespace
}  // namespace lockstep
