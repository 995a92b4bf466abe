// SPDX-License-Identifier: Apache-2.0
#include "lockstep/models/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Doubler : public Model {
 public:
  torch::Tensor forward(torch::Tensor input) override { return input * 2; }
};

std::string fault_of(const ModelOptions& options) {
  try {
    ModelRegistry::with_builtin().make(options);
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    return fault.what();
  }
  return "no fault";
}

ModelOptions small_gpt() {
  ModelOptions options;
  options.type = "gpt";
  options.layers = 2;
  options.heads = 2;
  options.width = 16;
  options.context = 8;
  options.vocab = 11;
  return options;
}

std::vector<std::string> names_and_shapes(const Model& model) {
  std::vector<std::string> lines;
  const auto add = [&](const std::string& name, const torch::Tensor& tensor) {
    std::string shape;
    for (const auto size : tensor.sizes()) shape += (shape.empty() ? "" : "x") + std::to_string(size);
    lines.push_back(name + " " + (shape.empty() ? "scalar" : shape));
  };
  for (const auto& item : model.named_parameters()) add(item.key(), item.value());
  for (const auto& item : model.named_buffers()) add(item.key(), item.value());
  return lines;
}

TEST(ModelRegistry, ListsTheBuiltInTypesFirst) {
  EXPECT_THAT(ModelRegistry::with_builtin().types(),
              ElementsAre("mlp", "resnet18", "resnet34", "resnet50", "gpt"));
}

TEST(ModelRegistry, MakesAUsersOwnModel) {
  auto registry = ModelRegistry::with_builtin();
  registry.add("doubler", [](const ModelOptions&) { return std::make_shared<Doubler>(); });
  ModelOptions options;
  options.type = "doubler";
  EXPECT_EQ(registry.make(options)->forward(torch::ones({1})).item<float>(), 2.0f);
}

TEST(ModelRegistry, RefusesANameTwice) {
  auto registry = ModelRegistry::with_builtin();
  EXPECT_THROW(registry.add("gpt", [](const ModelOptions&) { return nullptr; }), Bug);
}

TEST(ModelRegistry, NamesTheTypesThereAreForAnUnknownOne) {
  ModelOptions options;
  options.type = "mpl";
  EXPECT_THAT(fault_of(options), testing::AllOf(HasSubstr("'mpl'"), HasSubstr("mlp, resnet18")));
}

TEST(ModelRegistry, RefusesOptionsThatDoNotFitTogether) {
  ModelOptions options;
  options.hidden = {16, 0};
  EXPECT_THAT(fault_of(options), HasSubstr("model.hidden is 0"));
  options = {};
  options.dropout = 1.0;
  EXPECT_THAT(fault_of(options), HasSubstr("model.dropout is 1"));
  options = {};
  options.type = "resnet18";
  options.stem = "tiny";
  EXPECT_THAT(fault_of(options), HasSubstr("model.stem is 'tiny'"));
  options = small_gpt();
  options.heads = 3;
  EXPECT_THAT(fault_of(options), HasSubstr("model.width is 16, which 3 heads do not divide"));
}

TEST(Mlp, NamesItsLayersInOrder) {
  ModelOptions options;
  options.inputs = 6;
  options.hidden = {4, 3};
  options.outputs = 2;
  const auto model = ModelRegistry::with_builtin().make(options);
  EXPECT_THAT(names_and_shapes(*model),
              ElementsAre("layers.0.weight 4x6", "layers.0.bias 4", "layers.1.weight 3x4", "layers.1.bias 3",
                          "layers.2.weight 2x3", "layers.2.bias 2"));
  EXPECT_EQ(model->forward(torch::zeros({5, 1, 2, 3})).sizes(), (std::vector<std::int64_t>{5, 2}));
}

TEST(Mlp, SaysWhichInputsTheDataNeeds) {
  const auto model = ModelRegistry::with_builtin().make({});
  try {
    model->forward(torch::zeros({2, 3, 32, 32}));
    FAIL() << "took 3072 values for 784";
  } catch (const Fault& fault) {
    EXPECT_THAT(fault.what(), HasSubstr("model.inputs: 3072"));
  }
}

TEST(Mlp, DropsOnlyInTrainModeAndByTheDefaultGenerator) {
  ModelOptions options;
  options.dropout = 0.5;
  const auto model = ModelRegistry::with_builtin().make(options);
  const torch::Tensor input = torch::rand({4, 784});
  const auto run = [&](std::uint64_t seed) {
    torch::manual_seed(seed);
    return model->forward(input);
  };
  EXPECT_TRUE(torch::equal(run(1), run(1)));
  EXPECT_FALSE(torch::equal(run(1), run(2)));
  model->eval();
  EXPECT_TRUE(torch::equal(run(1), run(2)));
}

TEST(ResNet, FiftyHasTorchvisionsStateDict) {
  std::ifstream file(LOCKSTEP_SOURCE_DIR "/tests/models/data/resnet50_state_dict.txt");
  std::vector<std::string> expected;
  for (std::string line; std::getline(file, line);) expected.push_back(line);
  ASSERT_EQ(expected.size(), 320u);
  ModelOptions options;
  options.type = "resnet50";
  const auto model = ModelRegistry::with_builtin().make(options);
  EXPECT_THAT(names_and_shapes(*model), testing::UnorderedElementsAreArray(expected));
}

TEST(ResNet, DepthsHaveTheKnownNumberOfParameters) {
  for (const auto& [type, count] :
       {std::pair{"resnet18", 11689512}, {"resnet34", 21797672}, {"resnet50", 25557032}}) {
    ModelOptions options;
    options.type = type;
    std::int64_t parameters = 0;
    for (const auto& tensor : ModelRegistry::with_builtin().make(options)->parameters())
      parameters += tensor.numel();
    EXPECT_EQ(parameters, count) << type;
  }
}

// torchvision 0.26: torch.manual_seed(0); resnet18().layer2[0].conv1.weight[0, 0, 0], .fc.weight[0, :2]
TEST(ResNet, StartsFromTorchvisionsValuesForASeed) {
  torch::manual_seed(0);
  ModelOptions options;
  options.type = "resnet18";
  const auto values = ModelRegistry::with_builtin().make(options)->named_parameters();
  const torch::Tensor row = values["layer2.0.conv1.weight"][0][0][0];
  const std::vector<float> conv = {-0.0760005191f, 0.0233977269f, -0.0900823027f};
  const std::vector<float> fc = {-0.0203154963f, 0.0186778661f};
  for (int i = 0; i < 3; ++i) EXPECT_FLOAT_EQ(row[i].item<float>(), conv[i]);
  for (int i = 0; i < 2; ++i) EXPECT_FLOAT_EQ(values["fc.weight"][0][i].item<float>(), fc[i]);
}

TEST(ResNet, StemDecidesHowMuchIsLeftOfAnImage) {
  ModelOptions options;
  options.type = "resnet18";
  options.classes = 3;
  options.stem = "cifar";
  const auto model = ModelRegistry::with_builtin().make(options);
  EXPECT_EQ(model->named_parameters()["conv1.weight"].sizes(), (std::vector<std::int64_t>{64, 3, 3, 3}));
  EXPECT_EQ(model->forward(torch::rand({2, 3, 8, 8})).sizes(), (std::vector<std::int64_t>{2, 3}));
  EXPECT_THROW(model->forward(torch::rand({2, 1, 8, 8})), Fault);
}

TEST(Gpt, HasGpt2sNamesWithLinearLayoutsAndNoHead) {
  ModelOptions options = small_gpt();
  options.layers = 1;
  const auto model = ModelRegistry::with_builtin().make(options);
  EXPECT_THAT(names_and_shapes(*model),
              ElementsAre("transformer.wte.weight 11x16", "transformer.wpe.weight 8x16",
                          "transformer.h.0.ln_1.weight 16", "transformer.h.0.ln_1.bias 16",
                          "transformer.h.0.attn.c_attn.weight 48x16", "transformer.h.0.attn.c_attn.bias 48",
                          "transformer.h.0.attn.c_proj.weight 16x16", "transformer.h.0.attn.c_proj.bias 16",
                          "transformer.h.0.ln_2.weight 16", "transformer.h.0.ln_2.bias 16",
                          "transformer.h.0.mlp.c_fc.weight 64x16", "transformer.h.0.mlp.c_fc.bias 64",
                          "transformer.h.0.mlp.c_proj.weight 16x64", "transformer.h.0.mlp.c_proj.bias 16",
                          "transformer.ln_f.weight 16", "transformer.ln_f.bias 16"));
}

TEST(Gpt, LogitsNeverDependOnLaterTokens) {
  const auto model = ModelRegistry::with_builtin().make(small_gpt());
  const torch::Tensor tokens = torch::randint(0, 11, {1, 8}, torch::kInt64);
  const torch::Tensor before = model->forward(tokens);
  for (int changed = 0; changed < 8; ++changed) {
    torch::Tensor other = tokens.clone();
    other[0][changed] = (tokens[0][changed] + 1) % 11;
    const torch::Tensor after = model->forward(other);
    EXPECT_TRUE(torch::allclose(after.narrow(1, 0, changed), before.narrow(1, 0, changed), 0, 1e-6))
        << changed;
    EXPECT_FALSE(torch::allclose(after.narrow(1, changed, 1), before.narrow(1, changed, 1), 0, 1e-4))
        << changed;
  }
}

TEST(Gpt, StartsNearTheUniformLossWithScaledResidualProjections) {
  ModelOptions options = small_gpt();
  options.width = 128;
  options.layers = 8;
  torch::manual_seed(3);
  const auto model = ModelRegistry::with_builtin().make(options);
  const torch::Tensor tokens = torch::randint(0, 11, {16, 8}, torch::kInt64);
  EXPECT_NEAR(model->loss(model->forward(tokens), tokens.roll(1, 1), LossKind::kAuto).item<double>(),
              std::log(11.0), 0.3);
  const auto values = model->named_parameters();
  EXPECT_NEAR(values["transformer.h.0.attn.c_attn.weight"].std().item<double>(), 0.02, 0.001);
  EXPECT_NEAR(values["transformer.h.7.mlp.c_proj.weight"].std().item<double>(), 0.005, 0.00025);
  EXPECT_EQ(values["transformer.h.3.attn.c_attn.bias"].abs().max().item<double>(), 0.0);
}

TEST(Gpt, RefusesTokensItCannotTake) {
  const auto model = ModelRegistry::with_builtin().make(small_gpt());
  EXPECT_THROW(model->forward(torch::zeros({1, 9}, torch::kInt64)), Fault);
  EXPECT_THROW(model->forward(torch::zeros({1, 4}, torch::kFloat32)), Fault);
  try {
    model->forward(torch::full({1, 4}, 11, torch::kInt64));
    FAIL() << "took a token outside the vocabulary";
  } catch (const Fault& fault) {
    EXPECT_THAT(fault.what(), HasSubstr("model.vocab = 11"));
  }
}

TEST(ModelRegistry, WhatAFactoryThrowsIsTheConfigsAndNamesTheType) {
  ModelRegistry registry;
  registry.add("mine", [](const ModelOptions& options) -> std::shared_ptr<Model> {
    if (options.params.empty()) throw std::bad_alloc();
    (void)options.params.at("width");
    return std::make_shared<Doubler>();
  });
  ModelOptions options;
  options.type = "mine";
  const auto code = [&](const char* says) {
    try {
      registry.make(options);
    } catch (const Fault& fault) {
      EXPECT_THAT(fault.what(), HasSubstr(says));
      return fault.code();
    }
    return ExitCode::kDone;
  };
  EXPECT_EQ(code("out of memory: making model mine"), ExitCode::kCannotStart);
  options.params = {{"depth", "3"}};
  EXPECT_EQ(code("making model mine: std::out_of_range"), ExitCode::kConfig);
  options.params = {{"width", "3"}};
  EXPECT_EQ(code(""), ExitCode::kDone);
}

}  // namespace
}  // namespace lockstep
