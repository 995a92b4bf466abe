// SPDX-License-Identifier: Apache-2.0
// Groups of an optimizer in a loop of one's own, and what its checkpoints keep of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "checkpoint/reader.h"
#include "exchange/export.h"
#include "exchange/formats/foreign_file.h"
#include "exchange/formats/json_value.h"
#include "exchange/param_groups.h"
#include "lockstep/base/error.h"
#include "lockstep/loop/checkpoints.h"
#include "lockstep/loop/data_parallel.h"
#include "loop/refusal.h"
#include "loop/session_over.h"
#include "support/scratch_folder.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Net : torch::nn::Module {
  Net() {
    torch::manual_seed(5);
    first = register_module("first", torch::nn::Linear(4, 6));
    norm = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({6})));
    last = register_module("last", torch::nn::Linear(6, 2));
    to(torch::kFloat64);
  }
  torch::Tensor loss(std::int64_t step) {
    torch::manual_seed(100 + step);
    const torch::Tensor x = torch::randn({8, 4}, torch::kFloat64);
    return last(torch::tanh(norm(first(x)))).square().mean();
  }
  torch::nn::Linear first{nullptr}, last{nullptr};
  torch::nn::LayerNorm norm{nullptr};
};

// The rest, then those without decay.
std::vector<torch::optim::OptimizerParamGroup> torchs_groups(Net& net) {
  std::vector<torch::Tensor> rest, no_decay;
  for (const auto& item : net.named_parameters()) {
    const bool norm = item.key().starts_with("norm.") || item.key().ends_with(".bias");
    (norm ? no_decay : rest).push_back(item.value());
  }
  using torch::optim::AdamWOptions;
  return {{rest, std::make_unique<AdamWOptions>(AdamWOptions(1e-2).weight_decay(0.3))},
          {no_decay, std::make_unique<AdamWOptions>(AdamWOptions(4e-3).weight_decay(0))}};
}

const AdamW kOurs{.lr = 1e-2,
                  .weight_decay = 0.3,
                  .groups = {{.match = {"norm.*", "*.bias"}, .lr = 4e-3, .weight_decay = 0.0}}};

TEST(LoopGroups, OfTheBuiltInOptimizerAreTorchsWhileTheLearningRateChanges) {
  const auto session = serial_session();
  Net ours, theirs;
  DataParallel parallel(*session, ours);
  parallel.optimize_with(kOurs);
  torch::optim::AdamW reference(torchs_groups(theirs));
  for (int step = 0; step < 20; ++step) {
    const double share = 1 - step / 40.0;
    parallel.set_lr(share * 1e-2);
    reference.param_groups()[0].options().set_lr(share * 1e-2);
    reference.param_groups()[1].options().set_lr(share * 4e-3);
    parallel.update(step, [&](MicroBatch batch) { return ours.loss(batch.step); });
    reference.zero_grad();
    theirs.loss(step).backward();
    reference.step();
  }
  const auto expected = theirs.named_parameters();
  for (const auto& item : ours.named_parameters())
    EXPECT_LT((item.value() - expected[item.key()]).abs().max().item<double>(), 1e-12) << item.key();
}

TEST(LoopGroups, ThatMatchNothingAreRefused) {
  const auto session = serial_session();
  Net net;
  DataParallel parallel(*session, net);
  try {
    parallel.optimize_with(AdamW{.groups = {{.match = {"ln.*"}, .weight_decay = 0.0}}});
    ADD_FAILURE() << "nothing was refused";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    EXPECT_THAT(fault.what(), HasSubstr("'ln.*' of group 0 matches none of the model's parameters"));
  }
}

struct Layer : torch::nn::Module {
  explicit Layer(const torch::Tensor& tensor) { weight = register_parameter("weight", tensor); }
  torch::Tensor weight;
};

TEST(LoopGroups, HaveATiedParameterByAnyOfItsNames) {
  struct Tied : torch::nn::Module {
    Tied() {
      in = register_module("in", std::make_shared<Layer>(torch::ones({2})));
      out = register_module("out", std::make_shared<Layer>(in->weight));
      bias = register_parameter("bias", torch::ones({2}));
    }
    std::shared_ptr<Layer> in, out;
    torch::Tensor bias;
  };
  for (const char* const name : {"in.*", "out.*"}) {
    const auto session = serial_session();
    Tied net;
    DataParallel parallel(*session, net);
    parallel.optimize_with(Sgd{.lr = 0.1, .groups = {{.match = {name}, .lr = 0.0}}});
    parallel.update(0, [&](MicroBatch) { return (net.in->weight * net.bias).sum(); });
    EXPECT_TRUE(torch::equal(net.out->weight, torch::ones({2}))) << name;
    EXPECT_TRUE(torch::equal(net.bias, torch::full({2}, 0.9F))) << name;
  }
  const auto session = serial_session();
  Tied net;
  DataParallel parallel(*session, net);
  EXPECT_THAT(refusal_of([&] {
                parallel.optimize_with(
                    Sgd{.groups = {{.match = {"in.*"}, .lr = 0.0}, {.match = {"out.*"}, .lr = 1.0}}});
              }),
              HasSubstr("parameter out.weight is matched by groups 0 and 1"));
}

TEST(BuiltInOptimizer, RefusesParametersOfHalfPrecisionByName) {
  for (const auto type : {torch::kBFloat16, torch::kHalf}) {
    const auto session = serial_session();
    Net net;
    net.last->to(type);
    DataParallel parallel(*session, net);
    EXPECT_THAT(refusal_of([&] { parallel.optimize_with(AdamW{}); }),
                HasSubstr(std::string("parameter last.weight is ") + c10::toString(type)));
  }
}

// What a checkpoint of one step keeps, and what its export says.
struct Kept {
  std::vector<ParamGroup> groups;
  nlohmann::ordered_json exported;
};

Kept kept_in(const std::string& directory) {
  const auto saved = CheckpointReader::open(real_disk(), directory + "/ckpt/step-00000001");
  export_checkpoint(real_disk(), *saved, directory + "/e.pth", {ExportFormat::kPth, false, 0});
  const auto file = open_foreign_file(directory + "/e.pth");
  return {param_groups_of(saved->manifest().record), json_of(file->root())["optimizer_state_dict"]};
}

void expect_torchs(const Kept& kept) {
  ASSERT_EQ(kept.groups.size(), 2u);
  EXPECT_THAT(kept.groups[0].parameters, ElementsAre("first.weight", "last.weight"));
  EXPECT_THAT(kept.groups[1].parameters, ElementsAre("first.bias", "norm.weight", "norm.bias", "last.bias"));
  ASSERT_EQ(kept.exported["param_groups"].size(), 2u);
  EXPECT_EQ(kept.exported["param_groups"][0]["weight_decay"], 0.3);
  EXPECT_EQ(kept.exported["param_groups"][1]["weight_decay"], 0.0);
  EXPECT_EQ(kept.exported["param_groups"][0]["lr"], 1e-2);
  EXPECT_EQ(kept.exported["param_groups"][1]["lr"], 4e-3);
  EXPECT_EQ(kept.exported["param_groups"][1]["params"], (nlohmann::ordered_json{2, 3, 4, 5}));
  EXPECT_EQ(kept.exported["state"].size(), 6u);
}

TEST(LoopGroups, OfATorchOptimizerAreExportedAsItHasThem) {
  ScratchFolder scratch;
  Net net;
  torch::optim::AdamW optimizer(torchs_groups(net));
  Checkpoints checkpoints(scratch / "run", {.steps = 1});
  checkpoints.add("model", net).add("optimizer", optimizer);
  ASSERT_EQ(checkpoints.resume(), 0);
  net.loss(0).backward();
  optimizer.step();
  ASSERT_EQ(checkpoints.after(0, {{"loss", 1}}), Stop::kNo);
  expect_torchs(kept_in(scratch / "run"));
}

TEST(LoopGroups, OfTheBuiltInOptimizerAreExportedAsTorchWouldHaveThem) {
  ScratchFolder scratch;
  const auto session = serial_session();
  Net net;
  DataParallel parallel(*session, net);
  parallel.optimize_with(kOurs);
  Checkpoints checkpoints(*session, scratch / "run", {.steps = 1});
  checkpoints.add("model", net).add("optimizer", parallel);
  ASSERT_EQ(checkpoints.resume(), 0);
  parallel.update(0, [&](MicroBatch batch) { return net.loss(batch.step); });
  ASSERT_EQ(checkpoints.after(0, {{"loss", 1}}), Stop::kNo);
  expect_torchs(kept_in(scratch / "run"));
}

TEST(LoopGroups, OfTwoOptimizersHaveNoRoomInOneRecord) {
  ScratchFolder scratch;
  Net one, other;
  torch::optim::AdamW first(torchs_groups(one)), second(torchs_groups(other));
  Checkpoints checkpoints(scratch / "run", {.steps = 1});
  checkpoints.add("model", one).add("critic", other).add("optimizer", first).add("second", second);
  ASSERT_EQ(checkpoints.resume(), 0);
  for (Net* net : {&one, &other}) net->loss(0).backward();
  first.step();
  second.step();
  ASSERT_EQ(checkpoints.after(0, {{"loss", 1}}), Stop::kNo);
  const auto saved = CheckpointReader::open(real_disk(), (scratch / "run") + "/ckpt/step-00000001");
  EXPECT_TRUE(param_groups_of(saved->manifest().record).empty());
}

}  // namespace
}  // namespace lockstep
