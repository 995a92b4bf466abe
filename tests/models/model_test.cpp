// SPDX-License-Identifier: Apache-2.0
#include "lockstep/models/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using testing::HasSubstr;

class Identity : public Model {
 public:
  torch::Tensor forward(torch::Tensor input) override { return input; }
};

class OwnLoss : public Identity {
 public:
  torch::Tensor loss(const torch::Tensor& output, const torch::Tensor&, LossKind) override {
    return output.sum() * 0 + 7.0;
  }
};

torch::Tensor labels(const std::vector<std::int64_t>& values) {
  return torch::tensor(values, torch::kInt64);
}

// Two samples, three classes: softmax of log probabilities gives the probabilities back.
torch::Tensor two_rows() {
  return torch::tensor({{0.5, 0.25, 0.25}, {0.125, 0.125, 0.75}}, torch::kFloat64).log();
}

double loss_of(const torch::Tensor& output, const torch::Tensor& target, LossKind kind = LossKind::kAuto) {
  return Identity().loss(output, target, kind).item<double>();
}

TEST(ModelLoss, CrossEntropyIsTheMeanNegativeLogProbability) {
  EXPECT_NEAR(loss_of(two_rows(), labels({0, 1})), (std::log(2.0) + std::log(8.0)) / 2, 1e-12);
}

TEST(ModelLoss, CrossEntropyOfSequencesIsOverEachPosition) {
  const torch::Tensor output = two_rows().view({1, 2, 3});
  EXPECT_NEAR(loss_of(output, labels({0, 1}).view({1, 2})), 2 * std::log(2.0), 1e-12);
}

TEST(ModelLoss, FloatingTargetsMeanSquaredError) {
  EXPECT_NEAR(loss_of(torch::tensor({{1.0}, {2.0}}), torch::tensor({0.0, 4.0})), 2.5, 1e-6);
}

TEST(ModelLoss, MseOfIntegerTargetsIsTakenWhenAskedFor) {
  EXPECT_NEAR(loss_of(torch::tensor({{1.0}, {2.0}}), labels({0, 4}), LossKind::kMse), 2.5, 1e-6);
}

TEST(ModelLoss, NeverBroadcasts) {
  EXPECT_THROW(loss_of(torch::zeros({4, 2}), torch::zeros({4})), Fault);
  EXPECT_THROW(loss_of(torch::zeros({4, 2}), torch::zeros({3}, torch::kInt64)), Fault);
  EXPECT_THROW(loss_of(torch::zeros({4, 2}), torch::zeros({4}), LossKind::kCrossEntropy), Fault);
}

TEST(ModelLoss, NamesTheRangeOfLabelsTheModelCannotHave) {
  try {
    loss_of(two_rows(), labels({1, 3}));
    FAIL() << "took label 3 of 3 classes";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    EXPECT_THAT(fault.what(), HasSubstr("the data has 1..3, the model 3 outputs"));
  }
}

TEST(ModelMetrics, CountsCorrectClasses) {
  MetricSums sums = Identity().metrics(two_rows(), labels({0, 1}), LossKind::kAuto);
  EXPECT_EQ(sums.size(), 2u);
  EXPECT_EQ(sums["accuracy"].sum, 1.0);
  EXPECT_EQ(sums["accuracy"].count, 2.0);
  EXPECT_NEAR(sums["loss"].sum, 4 * std::log(2.0), 1e-12);
  EXPECT_EQ(sums["loss"].count, 2.0);
}

TEST(ModelMetrics, CountsPositionsOfSequences) {
  MetricSums sums =
      Identity().metrics(two_rows().view({1, 2, 3}), labels({0, 2}).view({1, 2}), LossKind::kCrossEntropy);
  EXPECT_EQ(sums["accuracy"].sum, 2.0);
  EXPECT_EQ(sums["accuracy"].count, 2.0);
}

TEST(ModelMetrics, RegressionHasSquaredAndAbsoluteErrors) {
  MetricSums sums = Identity().metrics(torch::tensor({1.0, 2.0}), torch::tensor({0.0, 4.0}), LossKind::kAuto);
  EXPECT_EQ(sums["mse"].sum, 5.0);
  EXPECT_EQ(sums["mae"].sum, 3.0);
  EXPECT_EQ(sums["loss"].sum, 5.0);
  EXPECT_EQ(sums["mae"].count, 2.0);
}

TEST(ModelMetrics, UseAModelsOwnLoss) {
  MetricSums sums = OwnLoss().metrics(two_rows(), labels({0, 1}), LossKind::kAuto);
  EXPECT_NEAR(sums["loss"].sum / sums["loss"].count, 7.0, 1e-12);
}

}  // namespace
}  // namespace lockstep
