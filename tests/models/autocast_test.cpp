// SPDX-License-Identifier: Apache-2.0
#include "lockstep/models/autocast.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "lockstep/models/registry.h"

namespace lockstep {
namespace {

torch::ScalarType product_type(torch::nn::Linear& layer) {
  return layer(torch::ones({2, 4})).scalar_type();
}

TEST(Autocast, ComputesProductsInFewerBitsAndKeepsParameters) {
  torch::nn::Linear layer(4, 3);
  {
    const Autocast mixed(torch::kCPU, torch::kBFloat16);
    EXPECT_EQ(product_type(layer), torch::kBFloat16);
    {
      const Autocast half(torch::kCPU, torch::kHalf);
      EXPECT_EQ(product_type(layer), torch::kHalf);
    }
    const Autocast nothing(torch::kCPU, std::nullopt);
    EXPECT_EQ(product_type(layer), torch::kBFloat16);
    layer(torch::ones({2, 4})).sum().backward();
  }
  EXPECT_EQ(product_type(layer), torch::kFloat32);
  EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
  EXPECT_EQ(layer->weight.scalar_type(), torch::kFloat32);
  EXPECT_EQ(layer->weight.grad().scalar_type(), torch::kFloat32);
}

// The cast weight is remembered within the outermost one alone.
TEST(Autocast, SeesWhatAnUpdateChanged) {
  torch::nn::Linear layer(torch::nn::LinearOptions(4, 3).bias(false));
  const auto output = [&] {
    const Autocast mixed(torch::kCPU, torch::kBFloat16);
    return layer(torch::ones({1, 4}));
  };
  output();
  {
    const torch::NoGradGuard no_grad;
    layer->weight.fill_(2);
  }
  EXPECT_TRUE(torch::equal(output().to(torch::kFloat32), torch::full({1, 3}, 8.0F)));
}

// Which functions compute in what is LibTorch's to say; this is what the losses of models rely on.
TEST(Autocast, LossesOfBuiltInModelsAreFloat32) {
  at::set_num_threads(1);
  const auto of = [](const std::string& type) {
    ModelOptions options;
    options.type = type;
    options.inputs = 12;
    options.hidden = {8};
    options.outputs = options.classes = 4;
    options.stem = "cifar";
    options.layers = options.heads = 2;
    options.width = 8;
    options.context = 6;
    options.vocab = 16;
    return ModelRegistry::with_builtin().make(options);
  };
  const torch::Tensor classes = torch::tensor({1, 3});
  const torch::Tensor tokens = torch::arange(12).view({2, 6});
  const auto check = [](Model& model, const torch::Tensor& input, const torch::Tensor& target) {
    const Autocast mixed(torch::kCPU, torch::kBFloat16);
    const torch::Tensor output = model.forward(input);
    EXPECT_EQ(output.scalar_type(), torch::kBFloat16);
    EXPECT_EQ(model.loss(output, target, LossKind::kAuto).scalar_type(), torch::kFloat32);
    EXPECT_TRUE(std::isfinite(model.loss(output, target, LossKind::kAuto).item<float>()));
  };
  check(*of("mlp"), torch::randn({2, 12}), classes);
  check(*of("mlp"), torch::randn({2, 12}), torch::randn({2, 4}));
  check(*of("resnet18"), torch::randn({2, 3, 8, 8}), classes);
  check(*of("resnet50"), torch::randn({2, 3, 8, 8}), classes);
  check(*of("gpt"), tokens, tokens);
}

// A target keeps its bits: only the output has fewer.
TEST(Autocast, ComparesWithTargetsAsTheyAre) {
  ModelOptions options;
  options.inputs = 4;
  options.hidden = {};
  options.outputs = 1;
  const auto model = ModelRegistry::with_builtin().make(options);
  const torch::Tensor output = torch::ones({1, 1}).to(torch::kBFloat16);
  const torch::Tensor target = torch::full({1, 1}, 1.0F + 0x1p-20F);
  EXPECT_GT(model->loss(output, target, LossKind::kMse).item<float>(), 0);
}

}  // namespace
}  // namespace lockstep
