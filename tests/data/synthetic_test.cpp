// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "data/data_files.h"

namespace lockstep {
namespace {

using testing::as;
using testing::expect_fault;
using testing::open_data;
using testing::read_sample;

DataOptions synthetic() {
  DataOptions options;
  options.type = "synthetic";
  options.input_shape = {2, 8};
  options.samples = 400;
  options.classes = 4;
  options.seed = 3;
  return options;
}

TEST(Synthetic, SampleIsAFunctionOfSeedAndIndex) {
  const auto one = open_data(synthetic());
  const auto two = open_data(synthetic());
  for (const std::int64_t i : {399, 0, 17}) EXPECT_EQ(read_sample(*one, i).input, read_sample(*two, i).input);
  EXPECT_NE(read_sample(*one, 0).input, read_sample(*one, 1).input);
  DataOptions other = synthetic();
  other.seed = 4;
  EXPECT_NE(read_sample(*open_data(other), 0).input, read_sample(*one, 0).input);
  EXPECT_NE(open_data(other)->fingerprint(), one->fingerprint());
  EXPECT_EQ(two->fingerprint(), one->fingerprint());
}

TEST(Synthetic, NearestClassMeanFindsTheClass) {
  const auto dataset = open_data(synthetic());
  std::map<std::int64_t, std::vector<double>> sums;
  std::map<std::int64_t, double> counts;
  for (std::int64_t i = 0; i < 200; ++i) {
    const auto sample = read_sample(*dataset, i);
    const std::int64_t label = as<std::int64_t>(sample.target)[0];
    const std::vector<float> values = as<float>(sample.input);
    sums[label].resize(values.size());
    for (std::size_t j = 0; j < values.size(); ++j) sums[label][j] += static_cast<double>(values[j]);
    counts[label] += 1;
  }
  ASSERT_EQ(sums.size(), 4u);
  int right = 0;
  for (std::int64_t i = 200; i < 400; ++i) {
    const auto sample = read_sample(*dataset, i);
    const std::vector<float> values = as<float>(sample.input);
    std::int64_t best = -1;
    double least = INFINITY;
    for (const auto& [label, sum] : sums) {
      double distance = 0;
      for (std::size_t j = 0; j < values.size(); ++j)
        distance += std::pow(static_cast<double>(values[j]) - sum[j] / counts[label], 2);
      if (distance < least) best = label, least = distance;
    }
    right += best == as<std::int64_t>(sample.target)[0];
  }
  EXPECT_GE(right, 190);
}

TEST(Synthetic, RegressionTargetsAreAFixedLinearMapPlusNoise) {
  DataOptions options = synthetic();
  options.classes = 0;
  options.targets = 3;
  const auto dataset = open_data(options);
  EXPECT_EQ(dataset->spec().target_dtype, DType::kFloat32);
  EXPECT_EQ(dataset->spec().target_shape, Shape{3});
  // A linear map shows in the covariance of targets and inputs: by it most of the target's variance is
  // explained.
  std::vector<double> covariance(16);
  for (std::int64_t i = 0; i < 400; ++i) {
    const auto sample = read_sample(*dataset, i);
    for (std::size_t j = 0; j < 16; ++j)
      covariance[j] += static_cast<double>(as<float>(sample.input)[j] * as<float>(sample.target)[1]) / 400;
  }
  double left = 0;
  double total = 0;
  for (std::int64_t i = 0; i < 400; ++i) {
    const auto sample = read_sample(*dataset, i);
    const double target = static_cast<double>(as<float>(sample.target)[1]);
    double guess = 0;
    for (std::size_t j = 0; j < 16; ++j)
      guess += covariance[j] * static_cast<double>(as<float>(sample.input)[j]);
    left += (target - guess) * (target - guess);
    total += target * target;
  }
  EXPECT_LT(left, 0.2 * total);
}

TEST(Synthetic, APartNamesTheSampleOfTheWhole) {
  DataOptions options = synthetic();
  EXPECT_EQ(open_data(options)->place_of(17), "sample 17");
  options.holdout_every = 5;
  const auto train = DatasetRegistry::with_builtin().open(options, DataPart::kTrain);
  const auto valid = DatasetRegistry::with_builtin().open(options, DataPart::kValid);
  EXPECT_EQ(train->place_of(3), "sample 3");
  EXPECT_EQ(train->place_of(4), "sample 5");
  EXPECT_EQ(valid->place_of(1), "sample 9");
}

TEST(Synthetic, HeldOutSamplesAreTheOthers) {
  DataOptions options = synthetic();
  EXPECT_EQ(open_data(options, DataPart::kValid), nullptr);
  const auto whole = open_data(options);
  options.holdout_every = 5;
  const auto train = open_data(options);
  const auto valid = open_data(options, DataPart::kValid);
  ASSERT_EQ(train->size(), 320);
  ASSERT_EQ(valid->size(), 80);
  std::int64_t next_train = 0;
  std::int64_t next_valid = 0;
  for (std::int64_t i = 0; i < 400; ++i) {
    const bool held_out = i % 5 == 4;
    const auto part = held_out ? read_sample(*valid, next_valid++) : read_sample(*train, next_train++);
    ASSERT_EQ(part.input, read_sample(*whole, i).input) << i;
  }
  EXPECT_EQ(next_train, 320);
  EXPECT_EQ(next_valid, 80);
}

TEST(Synthetic, RefusesOptionsThatMakeNoSense) {
  const auto refused = [](const char* text, auto change) {
    DataOptions options = synthetic();
    change(options);
    expect_fault(ExitCode::kConfig, text, [&] { open_data(options); });
  };
  refused("data.input_shape", [](DataOptions& o) { o.input_shape = {}; });
  refused("data.input_shape", [](DataOptions& o) { o.input_shape = {3, 0}; });
  refused("data.input_shape", [](DataOptions& o) { o.input_shape = {1 << 20, 1 << 20, 1 << 30}; });
  refused("samples = 0", [](DataOptions& o) { o.samples = 0; });
  refused("reads no files", [](DataOptions& o) { o.train.paths = {"x"}; });
  refused("holdout_every is 1", [](DataOptions& o) { o.holdout_every = 1; });
  refused("holds out none of 400 samples", [](DataOptions& o) { o.holdout_every = 401; });
}

TEST(DatasetRegistry, KnowsTheBuiltInTypesAndTakesMore) {
  DatasetRegistry registry = DatasetRegistry::with_builtin();
  EXPECT_EQ(registry.types(),
            (std::vector<std::string>{"text", "tokens", "idx", "cifar10", "hdf5", "npz", "synthetic"}));
  registry.add("mine", [](const DataOptions&, DataPart) { return open_data(synthetic()); });
  DataOptions options;
  options.type = "mine";
  EXPECT_EQ(registry.open(options, DataPart::kTrain)->size(), 400);
  EXPECT_THROW(registry.add("mine", nullptr), Bug);
  options.type = "idxx";
  expect_fault(ExitCode::kConfig, "data.type idxx is unknown",
               [&] { registry.open(options, DataPart::kTrain); });
}

}  // namespace
}  // namespace lockstep
