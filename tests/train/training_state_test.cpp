// SPDX-License-Identifier: Apache-2.0
#include "train/training_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <set>

#include "lockstep/models/registry.h"
#include "parallel/step_mean.h"

namespace lockstep {
namespace {

OptimOptions optim(const std::string& type) {
  OptimOptions options;
  options.type = type;
  if (type == "sgd") options.momentum = 0.9;
  return options;
}

TrainingState make_state(int seed, const OptimOptions& optim, torch::ScalarType dtype) {
  torch::manual_seed(seed);
  ModelOptions model;
  model.type = "resnet18";  // parameters, floating and integer buffers
  model.classes = 3;
  model.stem = "cifar";
  return TrainingState(ModelRegistry::with_builtin().make(model), optim, {torch::kCPU, dtype});
}

void update(TrainingState& state, int seed) {
  torch::manual_seed(seed);
  // Zero where the arena pads, as gradients are.
  const torch::Tensor mean = state.arena().new_contribution();
  for (const auto* entries : {&state.arena().parameters(), &state.arena().buffers()})
    for (const ArenaEntry& entry : *entries) ModelArena::view(mean, entry).normal_();
  mean.narrow(0, state.arena().reached_offset(), std::ssize(state.arena().trainable())).fill_(1);
  mean.narrow(0, state.arena().changed_offset(), std::ssize(state.arena().buffers())).fill_(1);
  StepMean(state.arena(), mean).apply(&state.optimizer(), {1e-2});
}

bool same_bits(TrainingState& a, TrainingState& b) {
  const auto ours = a.tensors();
  const auto theirs = b.tensors();
  return std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(),
                    [](const StateTensor& x, const StateTensor& y) {
                      return x.key.path() == y.key.path() && x.shape == y.shape && x.dtype == y.dtype &&
                             std::equal(x.bytes.begin(), x.bytes.end(), y.bytes.begin(), y.bytes.end());
                    });
}

void restore(TrainingState& from, TrainingState& into) {
  const auto saved = from.tensors();
  auto places = into.places();
  ASSERT_EQ(saved.size(), places.size());
  for (std::size_t i = 0; i < saved.size(); ++i) {
    ASSERT_EQ(saved[i].key.path(), places[i].key.path());
    ASSERT_EQ(saved[i].bytes.size(), places[i].bytes.size());
    std::copy(saved[i].bytes.begin(), saved[i].bytes.end(), places[i].bytes.begin());
  }
  into.commit_restore();
}

TEST(TrainingState, RestoredStateGoesOnBitForBit) {
  for (const char* type : {"adamw", "sgd"}) {
    TrainingState saved = make_state(1, optim(type), torch::kFloat32);
    update(saved, 10);
    update(saved, 11);
    TrainingState restored = make_state(2, optim(type), torch::kFloat32);
    EXPECT_FALSE(same_bits(saved, restored));
    restore(saved, restored);
    EXPECT_TRUE(same_bits(saved, restored));
    EXPECT_THAT(restored.optimizer().steps(), testing::Each(2));
    update(saved, 12);
    update(restored, 12);
    EXPECT_TRUE(same_bits(saved, restored)) << type;
  }
}

TEST(TrainingState, KeepsModelAndOptimizerUnderPyTorchsNamesOnce) {
  TrainingState state = make_state(1, optim("adamw"), torch::kFloat64);
  std::set<std::string> paths;
  for (const StateTensor& tensor : state.tensors()) {
    EXPECT_TRUE(paths.insert(tensor.key.path()).second) << tensor.key.path();
    if (tensor.key.slot != "step" && is_floating(tensor.dtype)) {
      EXPECT_EQ(tensor.dtype, DType::kFloat64);
    }
    if (tensor.key.name.ends_with("num_batches_tracked")) {
      EXPECT_EQ(tensor.dtype, DType::kInt64);
    }
  }
  for (const char* path :
       {"model/conv1.weight", "model/bn1.running_var", "model/bn1.num_batches_tracked",
        "optimizer/exp_avg/conv1.weight", "optimizer/exp_avg_sq/fc.bias", "optimizer/step/all_parameters"})
    EXPECT_TRUE(paths.contains(path)) << path;
  EXPECT_FALSE(paths.contains("optimizer/exp_avg/bn1.running_var"));
}

TEST(TrainingState, HasTheModelPartOfTorchvisionsStateDict) {
  TrainingState state = make_state(1, optim("adamw"), torch::kFloat32);
  const auto places = state.places();
  EXPECT_EQ(
      std::count_if(places.begin(), places.end(), [](const auto& place) { return place.key.in_model(); }),
      122);  // resnet18's
}

TEST(TrainingState, IntegerBuffersHaveADigestOfTheirOwn) {
  TrainingState state = make_state(1, optim("adamw"), torch::kFloat32);
  const auto before = state.own_digest();
  update(state, 5);
  EXPECT_EQ(state.own_digest(), before);
  state.arena().integer_buffers().at(3).second.add_(1);
  EXPECT_NE(state.own_digest(), before);
}

TEST(TrainingState, GivesLargeTensorsAPageToStartOn) {
  for (const char* type : {"sgd", "adamw"}) {
    TrainingState state = make_state(1, optim(type), torch::kFloat32);
    int large = 0;
    for (const StateTensor& tensor : state.tensors()) {
      if (tensor.bytes.size() < 64 * 1024) continue;
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.bytes.data()) % 4096, 0u) << tensor.key.path();
      ++large;
    }
    EXPECT_GT(large, 30) << type;
  }
}

}  // namespace
}  // namespace lockstep
