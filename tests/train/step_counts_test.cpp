// SPDX-License-Identifier: Apache-2.0
// Parameters that were updated different numbers of times: what is saved of them, and what is restored.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "checkpoint/digest.h"
#include "checkpoint/reader.h"
#include "comm/loopback/loopback_world.h"
#include "loop/checkpointer.h"
#include "parallel/step_mean.h"
#include "shelf/store.h"
#include "support/temp_dir.h"
#include "train/restore_places.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

struct Net : Model {
  Net() {
    a = register_module("a", torch::nn::Linear(40, 30));
    b = register_module("b", torch::nn::Linear(30, 20));
    const torch::NoGradGuard no_grad;
    // Not from the generator, which the ranks of a test share.
    for (torch::Tensor& parameter : parameters())
      parameter.copy_(torch::arange(parameter.numel()).reshape(parameter.sizes()).mul(1e-3));
  }
  torch::Tensor forward(torch::Tensor x) override { return b(a(x)); }
  torch::nn::Linear a{nullptr}, b{nullptr};
};

std::unique_ptr<TrainingState> make_state(const std::vector<std::string>& frozen = {}) {
  auto net = std::make_shared<Net>();
  for (const std::string& name : frozen) net->named_parameters()[name].set_requires_grad(false);
  return std::make_unique<TrainingState>(net, OptimOptions{}, ComputeDevice{});
}

// One update of those parameters that `reached` names, in the order a.weight, a.bias, b.weight, b.bias.
void update(TrainingState& state, const std::vector<float>& reached) {
  const torch::Tensor mean = torch::full_like(state.arena().new_contribution(), 0.01);
  mean.narrow(0, state.arena().reached_offset(), 4).copy_(torch::tensor(reached));
  StepMean(state.arena(), mean).apply(&state.optimizer(), {1e-2});
}

std::vector<std::string> step_names(TrainingState& state) {
  std::vector<std::string> names;
  for (const StateTensor& tensor : state.tensors())
    if (tensor.key.slot == kStepSlot) names.push_back(tensor.key.name);
  return names;
}

TEST(StepCounts, AreStoredOnceWhileTheyAreEqual) {
  const auto state = make_state();
  EXPECT_THAT(step_names(*state), ElementsAre("all_parameters"));
  update(*state, {1, 1, 1, 1});
  EXPECT_THAT(step_names(*state), ElementsAre("all_parameters"));
  // Reached by one micro-batch of many is reached.
  update(*state, {0.25, 0.25, 0, 1});
  EXPECT_THAT(step_names(*state), UnorderedElementsAre("a.weight", "a.bias", "b.weight", "b.bias"));
  EXPECT_THAT(state->optimizer().steps(), ElementsAre(2, 2, 1, 2));
  update(*state, {0, 0, 1, 0});
  EXPECT_THAT(step_names(*state), ElementsAre("all_parameters")) << "equal again";
}

TrainRecord record_of(int step) {
  TrainRecord record;
  record.run_id = "run";
  record.step = Step(step);
  return record;
}

class SavedStepCounts : public ::testing::TestWithParam<std::tuple<std::string, int>> {};

TEST_P(SavedStepCounts, AreThoseOfTheStepAndGoOnBitForBit) {
  const auto& [layout, ranks] = GetParam();
  testing::TempDir temp;
  CheckpointOptions options;
  options.layout = from_word<SaveLayout>(layout).value();
  options.keep_last = 100;
  const std::vector<std::vector<float>> reached = {{1, 1, 1, 1}, {1, 0, 1, 1}, {1, 1, 1, 0}, {0, 1, 0, 1}};
  const auto alone = make_state();
  for (const auto& step : reached) update(*alone, step);
  run_loopback(WorldSize(ranks), [&](World& world) {
    const auto state = make_state();
    CheckpointStore store(temp / "ckpt", options, real_disk(), [](const auto&, const auto&) {});
    Reporter reporter;
    Checkpointer checkpointer({world, *state, store, reporter}, options);
    checkpointer.prepare();
    for (int step = 1; step <= 4; ++step) {
      checkpointer.release_state();
      update(*state, reached[step - 1]);
      // A save is still being written when the next step changes the counts.
      checkpointer.save(record_of(step), SaveReason::kInterval);
    }
    checkpointer.require(Step(4));
  });
  const auto hash_of = [&](TrainingState& state) {
    std::map<std::string, Digest> digests;
    for (const StateTensor& tensor : state.tensors())
      digests[tensor.key.path()] = tensor_digest(tensor, tensor.bytes);
    return state_hash(Step(4), digests);
  };
  for (int step = 1; step <= 4; ++step) {
    const auto reader =
        CheckpointReader::open(real_disk(), temp / ("ckpt/step-0000000" + std::to_string(step)));
    reader->verify();
    const auto restored = make_state();
    const RestorePlaces places = restore_places(*restored, reader->manifest(), {});
    reader->read(places.tensors, /*all=*/true);
    restored->commit_restore();
    for (int next = step + 1; next <= 4; ++next) update(*restored, reached[next - 1]);
    EXPECT_EQ(restored->optimizer().steps(), alone->optimizer().steps()) << "from step " << step;
    EXPECT_EQ(hash_of(*restored), hash_of(*alone)) << "from step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, SavedStepCounts,
                         ::testing::Combine(::testing::Values("consolidated", "sharded"),
                                            ::testing::Values(1, 3)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + std::to_string(std::get<1>(info.param));
                         });

// A checkpoint of a state with a.weight frozen, after two updates.
class ChangeOfWhatIsFrozen : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto state = make_state({"a.weight"});
    for (int i = 0; i < 2; ++i)
      StepMean(state->arena(), torch::full_like(state->arena().new_contribution(), 0.01))
          .apply(&state->optimizer(), {1e-2});
    TrainRecord record = record_of(2);
    record.frozen = state->frozen_names();
    CheckpointStore store(temp_ / "ckpt", {}, real_disk(), [](const auto&, const auto&) {});
    store.save({record, state->tensors()}, false);
    reader_ = CheckpointReader::open(real_disk(), temp_ / "ckpt/step-00000002");
  }
  std::unique_ptr<TrainingState> restored(const std::vector<std::string>& frozen,
                                          const std::vector<std::string>& allowed) {
    auto state = make_state(frozen);
    const RestorePlaces places = restore_places(*state, reader_->manifest(), allowed);
    reader_->read(places.tensors, /*all=*/true);
    state->commit_restore();
    return state;
  }
  std::string refusal(const std::vector<std::string>& frozen) {
    try {
      restored(frozen, {"optim", "model.hidden"});
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.code(), ExitCode::kConfig);
      EXPECT_THAT(fault.remedy(), ::testing::HasSubstr("resume.allow_changes=[model.frozen]"));
      return fault.fact();
    }
    return "nothing was refused";
  }
  testing::TempDir temp_;
  std::unique_ptr<CheckpointReader> reader_;
};

TEST_F(ChangeOfWhatIsFrozen, IsRefusedByNameUnlessItIsAllowed) {
  EXPECT_EQ(refusal({"a.weight"}), "nothing was refused");
  EXPECT_EQ(refusal({}), "since the checkpoint of step 2, a.weight became trainable");
  EXPECT_EQ(refusal({"b.bias"}),
            "since the checkpoint of step 2, a.weight became trainable and b.bias became frozen");
  EXPECT_EQ(refusal({"a.weight", "b.bias"}), "since the checkpoint of step 2, b.bias became frozen");
}

TEST_F(ChangeOfWhatIsFrozen, StartsThawedStateAtZeroAndDropsWhatIsFrozen) {
  for (const char* allowed : {"model.frozen", "model"}) {
    const auto state = restored({"b.bias"}, {allowed});
    // a.weight, a.bias, b.weight
    EXPECT_THAT(state->optimizer().steps(), ElementsAre(0, 2, 2));
    for (const auto& item : state->persisted()) {
      if (item.key.in_model()) continue;
      EXPECT_NE(item.key.name, "b.bias");
      EXPECT_EQ(item.live.abs().max().item<double>() == 0, item.key.name == "a.weight") << item.key.path();
    }
  }
}

}  // namespace
}  // namespace lockstep
