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

std::string refusal_of(const torch::Tensor& target, const TargetNotes& notes = {}) {
  Identity model;
  model.note_targets(notes);
  try {
    model.loss(torch::zeros({target.size(0), 3}), target, LossKind::kAuto);
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    return fault.fact();
  }
  return "accepted";
}

TEST(ModelLoss, RefusesEveryLabelThatIsNoClass) {
  for (const std::int64_t label :
       {std::int64_t{3}, std::int64_t{-1}, std::int64_t{-100}, INT64_MIN, INT64_MAX})
    EXPECT_EQ(refusal_of(labels({1, label})), "sample 1 of the batch: label " + std::to_string(label) +
                                                  " is outside 0..2, the classes of the model");
  EXPECT_EQ(refusal_of(torch::tensor({0, 200}, torch::kUInt8)),
            "sample 1 of the batch: label 200 is outside 0..2, the classes of the model");
}

TEST(ModelLoss, NamesThePlaceOfABadLabelByTheNotes) {
  TargetNotes notes;
  notes.given = labels({0, 1, 7});
  notes.host = notes.given;
  notes.place = [](std::int64_t row) { return "x.h5, row " + std::to_string(100 + row); };
  EXPECT_EQ(refusal_of(notes.given, notes),
            "x.h5, row 102: label 7 is outside 0..2, the classes of the model");
}

TEST(ModelLoss, NamesThePositionInASequence) {
  Identity model;
  try {
    model.loss(torch::zeros({2, 3, 4}), labels({0, 1, 2, 3, 4, 0}).view({2, 3}), LossKind::kAuto);
    FAIL() << "took label 4 of 4 classes";
  } catch (const Fault& fault) {
    EXPECT_THAT(fault.what(), HasSubstr("sample 1 of the batch, position 1: label 4 is outside 0..3"));
  }
}

// The loss and gradient of `target` with this label left out.
std::pair<double, torch::Tensor> ignoring(std::int64_t label, const torch::Tensor& target) {
  Identity model;
  model.note_targets({.ignore = label, .given = {}, .host = {}, .place = {}});
  torch::Tensor output = torch::tensor({{1.0, 2.0, 0.5}, {0.25, 0.0, 4.0}, {3.0, 1.0, 2.0}}, torch::kFloat64);
  output.set_requires_grad(true);
  const torch::Tensor loss = model.loss(output, target, LossKind::kAuto);
  loss.backward();
  EXPECT_TRUE(model.asked_for_ignore_label());
  return {loss.item<double>(), output.grad()};
}

TEST(ModelLoss, LeavesTheIgnoredLabelOutOfTheMean) {
  // The same as the mean over the other rows.
  const torch::Tensor rows = torch::tensor({{1.0, 2.0, 0.5}, {3.0, 1.0, 2.0}}, torch::kFloat64);
  const double expected = torch::nn::functional::cross_entropy(rows, labels({2, 1})).item<double>();
  for (const std::int64_t label : {std::int64_t{-100}, std::int64_t{0}, std::int64_t{255}}) {
    const auto [loss, gradient] = ignoring(label, labels({2, label, 1}));
    EXPECT_NEAR(loss, expected, 1e-12) << label;
    EXPECT_EQ(gradient[1].abs().sum().item<double>(), 0) << label;
  }
}

TEST(ModelLoss, OfIgnoredLabelsAloneIsZeroWithGradientZero) {
  const auto [loss, gradient] = ignoring(-1, labels({-1, -1, -1}));
  EXPECT_EQ(loss, 0);
  EXPECT_EQ(gradient.abs().sum().item<double>(), 0);
}

TEST(ModelMetrics, CountOnlyTheLabelsThatAreKept) {
  Identity model;
  model.note_targets({.ignore = 0, .given = {}, .host = {}, .place = {}});
  MetricSums sums = model.metrics(two_rows(), labels({0, 2}), LossKind::kAuto);
  EXPECT_EQ(sums["accuracy"].sum, 1.0);
  EXPECT_EQ(sums["accuracy"].count, 1.0);
  EXPECT_NEAR(sums["loss"].sum, -std::log(0.75), 1e-12);
  EXPECT_EQ(sums["loss"].count, 1.0);
  sums = model.metrics(two_rows(), labels({0, 0}), LossKind::kAuto);
  EXPECT_EQ(sums["loss"].sum, 0.0);
  EXPECT_EQ(sums["loss"].count, 0.0);
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
