// SPDX-License-Identifier: Apache-2.0
#include "train/evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <cstring>

#include "comm/loopback/loopback_world.h"
#include "lockstep/models/registry.h"
#include "points.h"

namespace lockstep {
namespace {

std::shared_ptr<Model> mlp() {
  torch::manual_seed(5);
  ModelOptions options;
  options.inputs = 6;
  options.hidden = {16};
  options.outputs = 3;
  options.dropout = 0.5;
  return ModelRegistry::with_builtin().make(options);
}

// Outputs are the inputs.
struct Echo : Model {
  Echo() { register_parameter("none", torch::zeros({1})); }
  torch::Tensor forward(torch::Tensor input) override { return input; }
};

// Input i, target i + 0.5 * (i % 2).
struct Numbers : Dataset {
  std::int64_t size() const override { return 7; }
  SampleSpec spec() const override { return {DType::kFloat32, {1}, DType::kFloat32, {1}}; }
  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    const auto in = static_cast<float>(index);
    const float out = in + 0.5f * static_cast<float>(index % 2);
    std::memcpy(input.data(), &in, sizeof in);
    std::memcpy(target.data(), &out, sizeof out);
  }
};

// Four tokens, each followed by its successor mod 8.
struct Sequences : Dataset {
  std::int64_t size() const override { return 3; }
  SampleSpec spec() const override { return {DType::kInt64, {4}, DType::kInt64, {4}}; }
  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    std::int64_t in[4], out[4];
    for (std::int64_t i = 0; i < 4; ++i) out[i] = ((in[i] = (index + i) % 8) + 1) % 8;
    std::memcpy(input.data(), in, sizeof in);
    std::memcpy(target.data(), out, sizeof out);
  }
};

TEST(Evaluator, GivesTheSameBitsAtEveryWorldSize) {
  const Points data(10);  // three chunks, the last one short
  World one = world_of_one();
  const auto alone = evaluate({one, *mlp(), data, {}}, {.chunk = 4});
  EXPECT_GT(alone.at("loss"), 0);
  for (int ranks = 1; ranks <= 5; ++ranks) {  // 4 and 5: ranks without a chunk
    std::vector<std::shared_ptr<Model>> models;
    for (int rank = 0; rank < ranks; ++rank) models.push_back(mlp());
    std::vector<std::map<std::string, double>> results(static_cast<std::size_t>(ranks));
    run_loopback(WorldSize(ranks), [&](World& world) {
      const auto rank = static_cast<std::size_t>(world.rank().value);
      results[rank] = evaluate({world, *models[rank], data, {}}, {.chunk = 4});
    });
    for (const auto& result : results) EXPECT_EQ(result, alone) << ranks << " ranks";
  }
}

TEST(Evaluator, CountsEverySampleOnceAlsoInAShortLastChunk) {
  World world = world_of_one();
  Echo model;
  for (const std::int64_t chunk : {1, 2, 3, 7, 100}) {
    const auto means = evaluate({world, model, Numbers(), {}}, {.chunk = chunk});
    EXPECT_DOUBLE_EQ(means.at("mse"), 3 * 0.25 / 7) << chunk;
    EXPECT_DOUBLE_EQ(means.at("mae"), 3 * 0.5 / 7) << chunk;
    EXPECT_NEAR(means.at("loss"), 3 * 0.25 / 7, 1e-7) << chunk;
  }
}

TEST(Evaluator, NamesAccuracyForClassesAndPerplexityForSequences) {
  World world = world_of_one();
  const auto classes = evaluate({world, *mlp(), Points(6), {}}, {.chunk = 2});
  EXPECT_TRUE(classes.contains("accuracy"));
  EXPECT_FALSE(classes.contains("perplexity"));
  ModelOptions options;
  options.type = "gpt";
  options.layers = options.heads = 1;
  options.width = options.context = options.vocab = 8;
  const auto gpt = ModelRegistry::with_builtin().make(options);
  const auto sequences = evaluate({world, *gpt, Sequences(), {}}, {.chunk = 2});
  EXPECT_FALSE(sequences.contains("accuracy"));
  EXPECT_DOUBLE_EQ(sequences.at("perplexity"), std::exp(sequences.at("loss")));
}

TEST(Evaluator, MeasuresInEvalModeAndRestoresTheFormerMode) {
  World world = world_of_one();
  const auto model = mlp();
  model->train();
  const auto first = evaluate({world, *model, Points(9), {}}, {.chunk = 2});
  EXPECT_TRUE(model->is_training());
  // With dropout on, the second look would differ.
  EXPECT_EQ(evaluate({world, *model, Points(9), {}}, {.chunk = 2}), first);
  model->eval();
  evaluate({world, *model, Points(9), {}}, {.chunk = 2});
  EXPECT_FALSE(model->is_training());
}

}  // namespace
}  // namespace lockstep
