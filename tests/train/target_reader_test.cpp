// SPDX-License-Identifier: Apache-2.0
#include "train/target_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "comm/loopback/loopback_world.h"
#include "data/host_batch.h"
#include "lockstep/base/error.h"
#include "parallel/ownership.h"
#include "train/evaluator.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kIgnored = -100;
constexpr std::int64_t kMicroBatch = 4;
constexpr int kMicroBatches = 4;

// Sequences of three labels of four classes, many of them not to be counted; micro-batch 2 has none at all.
class Gaps : public Dataset {
 public:
  std::int64_t size() const override { return kMicroBatch * kMicroBatches; }
  SampleSpec spec() const override { return {DType::kFloat32, {3, 4}, DType::kInt64, {3}}; }
  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    float values[12];
    for (int i = 0; i < 12; ++i) values[i] = static_cast<float>(std::sin(1.3 * double(index) + 0.7 * i));
    std::int64_t labels[3];
    for (std::int64_t i = 0; i < 3; ++i) {
      const bool counts = index / kMicroBatch != 2 && (index * 3 + i) % 5 < 2;
      labels[i] = counts ? (index + i) % 4 : kIgnored;
    }
    std::memcpy(input.data(), values, sizeof values);
    std::memcpy(target.data(), labels, sizeof labels);
  }
};

struct Linear : Model {
  Linear() { weight = register_parameter("weight", torch::eye(4, torch::kFloat64)); }
  torch::Tensor forward(torch::Tensor x) override { return torch::matmul(x.to(torch::kFloat64), weight); }
  torch::Tensor weight;
};

TrainingPlan plan_for(MicroBatchRun mine) {
  TrainingPlan plan;
  plan.micro_batches = kMicroBatches;
  plan.mine = mine;
  plan.micro_batch = kMicroBatch;
  plan.global_batch = kMicroBatch * kMicroBatches;
  return plan;
}

MicroBatches batches_of(const Dataset& data, MicroBatchRun mine) {
  MicroBatches batches;
  for (int leaf = mine.first; leaf < mine.end(); ++leaf)
    read_chunk(data, {leaf * kMicroBatch, kMicroBatch}, batches.emplace_back());
  return batches;
}

// All samples at once.
HostBatch whole(const Dataset& data) {
  HostBatch batch;
  read_chunk(data, {0, data.size()}, batch);
  return batch;
}

// The losses of a rank's micro-batches, whose gradients are added to those of `model`.
std::vector<double> losses_of(World& world, Model& model, MicroBatchRun mine) {
  const Gaps data;
  TargetReader reader(data, plan_for(mine), {LossKind::kAuto, kIgnored});
  const MicroBatches batches = batches_of(data, mine);
  reader.begin(world, batches);
  std::vector<double> losses;
  for (const HostBatch& host : batches) {
    const ReadBatch read{host, to_device(host, {})};
    const torch::Tensor output = static_cast<Model&>(model).forward(read.batch);
    const torch::Tensor loss = reader.loss(model, output, read);
    loss.backward();
    losses.push_back(loss.item<double>());
  }
  return losses;
}

TEST(TargetReader, MeanOverTheMicroBatchesIsTheMeanOverTheKeptLabelsOfTheGlobalBatch) {
  const Gaps data;
  Linear plain, ours;
  const HostBatch all_on_host = whole(data);
  const Batch all = to_device(all_on_host, {});
  const torch::Tensor expected = torch::nn::functional::cross_entropy(
      plain.forward(all.input()).flatten(0, 1), all.target().flatten(),
      torch::nn::functional::CrossEntropyFuncOptions().ignore_index(kIgnored));
  expected.backward();
  World world = world_of_one();
  double sum = 0;
  for (const double loss : losses_of(world, ours, {0, kMicroBatches})) sum += loss;
  EXPECT_NEAR(sum / kMicroBatches, expected.item<double>(), 1e-12);
  EXPECT_TRUE(torch::allclose(ours.weight.grad() / kMicroBatches, plain.weight.grad(), 0, 1e-12));
}

TEST(TargetReader, LossesAreTheSameBitsAtEveryWorldSize) {
  World one = world_of_one();
  Linear model;
  const std::vector<double> alone = losses_of(one, model, {0, kMicroBatches});
  EXPECT_EQ(alone.at(2), 0);
  for (int ranks = 2; ranks <= kMicroBatches; ++ranks) {
    std::vector<std::vector<double>> parts(static_cast<std::size_t>(ranks));
    run_loopback(WorldSize(ranks), [&](World& world) {
      Linear own;
      parts[static_cast<std::size_t>(world.rank().value)] =
          losses_of(world, own, run_of(world, kMicroBatches));
    });
    std::vector<double> together;
    for (const auto& part : parts) together.insert(together.end(), part.begin(), part.end());
    EXPECT_EQ(together, alone) << ranks << " ranks";
  }
}

template <class Act>
std::string refusal(ExitCode code, Act act) {
  try {
    act();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), code);
    return fault.what();
  }
  return "accepted";
}

TEST(TargetReader, RefusesAGlobalBatchWithoutAKeptLabelAndNamesIt) {
  World world = world_of_one();
  const Gaps data;
  TrainingPlan plan = plan_for({0, 1});
  plan.micro_batches = 1;
  TargetReader reader(data, plan, {LossKind::kAuto, kIgnored});
  const MicroBatches third = batches_of(data, {2, 1});
  EXPECT_THAT(refusal(ExitCode::kInputMissing, [&] { reader.begin(world, third); }),
              HasSubstr("from sample 8 on"));
}

struct OwnLoss : Linear {
  torch::Tensor loss(const torch::Tensor& output, const torch::Tensor&, LossKind) override {
    if (asks) (void)ignore_label();
    return output.square().mean();
  }
  bool asks = false;
};

TEST(TargetReader, RefusesALabelToIgnoreThatTheModelsOwnLossDoesNotAskFor) {
  World world = world_of_one();
  OwnLoss model;
  EXPECT_THAT(refusal(ExitCode::kConfig,
                      [&] {
                        losses_of(world, model, {0, 4});
                      }),
              HasSubstr("data.ignore_label is -100"));
  model.asks = true;
  EXPECT_EQ(losses_of(world, model, {0, 4}).size(), 4u);
}

TEST(TargetReader, NamesTheSampleOfALabelThatIsNoClass) {
  World world = world_of_one();
  const Gaps data;
  Linear model;
  TargetReader reader(data, plan_for({1, 1}), {});
  const MicroBatches batches = batches_of(data, {1, 1});
  reader.begin(world, batches);
  const ReadBatch read{batches[0], to_device(batches[0], {})};
  EXPECT_THAT(
      refusal(ExitCode::kConfig, [&] { reader.loss(model, model.forward(read.batch.input()), read); }),
      HasSubstr("sample 4, position 0: label -100 is outside 0..3"));
}

TEST(Evaluator, MeansAreOverTheKeptLabels) {
  const Gaps data;
  Linear model;
  const HostBatch all_on_host = whole(data);
  const Batch all = to_device(all_on_host, {});
  const double expected = torch::nn::functional::cross_entropy(
                              model.forward(all.input()).flatten(0, 1), all.target().flatten(),
                              torch::nn::functional::CrossEntropyFuncOptions().ignore_index(kIgnored))
                              .item<double>();
  World world = world_of_one();
  for (const std::int64_t chunk : {1, 3, 16}) {
    const auto means = evaluate({world, model, data, {}}, {chunk, {LossKind::kAuto, kIgnored}});
    EXPECT_NEAR(means.at("loss"), expected, 1e-12) << chunk;
    EXPECT_NEAR(means.at("perplexity"), std::exp(expected), 1e-10) << chunk;
  }
}

}  // namespace
}  // namespace lockstep
