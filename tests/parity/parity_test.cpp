// SPDX-License-Identifier: Apache-2.0
// Lockstep's models, losses and optimizers against Python's torch; make_values.py says where the stored
// numbers come from.
#include <gtest/gtest.h>

#include "lockstep/models/autocast.h"
#include "optim/optimizer.h"
#include "parity/cases.h"

namespace lockstep {
namespace {

// Parameters copied into one flat tensor for the optimizer, and back after it.
class Flat {
 public:
  Flat(Model& model, const OptimOptions& options) : parameters_(model.parameters()) {
    flat_ = gather([](const torch::Tensor& parameter) { return parameter.detach(); });
    ParameterOffsets offsets = {0};
    for (const auto& parameter : parameters_) offsets.push_back(offsets.back() + parameter.numel());
    offsets.pop_back();
    optimizer_ =
        FlatOptimizer::make(options, flat_, {offsets, groups_of(options, model.named_parameters().keys())});
  }

  void step(double lr) {
    const torch::NoGradGuard no_grad;
    optimizer_->update(gather([](const torch::Tensor& parameter) { return parameter.grad(); }), lr);
    std::int64_t offset = 0;
    for (auto& parameter : parameters_) {
      parameter.copy_(flat_.narrow(0, offset, parameter.numel()).view(parameter.sizes()));
      offset += parameter.numel();
    }
  }

 private:
  template <class Part>
  torch::Tensor gather(Part part) const {
    std::vector<torch::Tensor> pieces;
    for (const auto& parameter : parameters_) pieces.push_back(part(parameter).flatten());
    return torch::cat(pieces);
  }

  std::vector<torch::Tensor> parameters_;
  torch::Tensor flat_;
  std::unique_ptr<FlatOptimizer> optimizer_;
};

class Parity : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { at::set_num_threads(1); }
  Case current() const { return {GetParam(), stored().at("cases").at(GetParam())}; }
};

TEST_P(Parity, Float64LossesOfTenStepsAreTorchsWithEachOptimizer) {
  const Case current = this->current();
  ASSERT_FALSE(current.spec.at("float64_losses").empty());
  for (const auto& [optimizer, losses] : current.spec.at("float64_losses").items()) {
    ASSERT_EQ(losses.size(), 10u);
    const OptimOptions options = optim_options(stored().at("optimizers").at(optimizer));
    const auto model = current.model(torch::kFloat64);
    Flat flat(*model, options);
    for (int step = 0; step < static_cast<int>(losses.size()); ++step) {
      const auto [input, target] = current.batch(torch::kFloat64, step);
      const torch::Tensor loss = model->loss(model->forward(input), target, LossKind::kAuto);
      const double expected = losses[step];
      ASSERT_NEAR(loss.item<double>(), expected, 1e-9 * expected) << optimizer << ", step " << step + 1;
      model->zero_grad();
      loss.backward();
      flat.step(options.lr);
    }
  }
}

TEST_P(Parity, Float32FirstLossAndGradientsAreTorchs) {
  const Case current = this->current();
  const json& expected = current.spec.at("float32");
  const auto model = current.model(torch::kFloat32);
  const auto [input, target] = current.batch(torch::kFloat32, 0);
  const torch::Tensor loss = model->loss(model->forward(input), target, LossKind::kAuto);
  const double first = expected.at("loss");
  EXPECT_NEAR(loss.item<double>(), first, 1e-6 * first);
  loss.backward();
  const json& gradients = expected.at("gradients");
  ASSERT_EQ(model->named_parameters().size(), gradients.size());
  for (const auto& item : model->named_parameters()) {
    ASSERT_TRUE(gradients.contains(item.key())) << item.key();
    const json& gradient = gradients.at(item.key());
    const torch::Tensor actual = item.value().grad().flatten().to(torch::kFloat64);
    const double norm = gradient.at("norm");
    EXPECT_GT(norm, 0.0) << item.key();
    EXPECT_NEAR(actual.norm().item<double>(), norm, 1e-4 * norm) << item.key();
    for (const auto& [index, value] : gradient.at("entries").items()) {
      EXPECT_NEAR(actual[std::stoll(index)].item<double>(), value.get<double>(), 1e-4 * norm)
          << item.key() << index;
    }
  }
}

TEST(ParityOfGroups, TwentyFloat64StepsOfTheGptAreThoseOfTorchsAdamWWithTwo) {
  at::set_num_threads(1);
  const json& spec = stored().at("groups");
  const Case gpt{spec.at("case"), stored().at("cases").at(spec.at("case"))};
  OptimOptions options = optim_options(spec.at("optimizer"));
  options.groups = {{.match = spec.at("match"), .weight_decay = spec.at("weight_decay").get<double>()}};
  const auto model = gpt.model(torch::kFloat64);
  Flat flat(*model, options);
  ASSERT_EQ(spec.at("losses").size(), 20u);
  for (int step = 0; step < 20; ++step) {
    const auto [input, target] = gpt.batch(torch::kFloat64, step);
    const torch::Tensor loss = model->loss(model->forward(input), target, LossKind::kAuto);
    const double expected = spec.at("losses")[step];
    ASSERT_NEAR(loss.item<double>(), expected, 1e-9 * expected) << "step " << step + 1;
    model->zero_grad();
    loss.backward();
    flat.step(options.lr);
  }
  ASSERT_EQ(model->named_parameters().size(), spec.at("parameters").size());
  for (const auto& item : model->named_parameters()) {
    const json& expected = spec.at("parameters").at(item.key());
    const torch::Tensor actual = item.value().detach().flatten();
    const double norm = expected.at("norm");
    EXPECT_NEAR(actual.norm().item<double>(), norm, 1e-9 * norm) << item.key();
    for (const auto& [index, value] : expected.at("entries").items())
      EXPECT_NEAR(actual[std::stoll(index)].item<double>(), value.get<double>(), 1e-9 * norm)
          << item.key() << " " << index;
  }
}

// Processors without bfloat16 round elsewhere, so a loss is compared as far as eight bits go.
TEST(ParityOfMixedPrecision, TwentyStepsInBfloat16AreThoseOfTorchsAutocast) {
  at::set_num_threads(1);
  const json& spec = stored().at("mixed");
  const OptimOptions options = optim_options(spec.at("optimizer"));
  ASSERT_EQ(spec.at("losses").size(), 4u);
  for (const auto& [name, losses] : spec.at("losses").items()) {
    const Case one{name, stored().at("cases").at(name)};
    const auto model = one.model(torch::kFloat32);
    Flat flat(*model, options);
    ASSERT_EQ(losses.size(), 20u);
    // BatchNorm over a few values makes much of a last bit: after two updates one decides.
    const int steps = name == "resnet18" ? 2 : 20;
    for (int step = 0; step < steps; ++step) {
      const auto [input, target] = one.batch(torch::kFloat32, step);
      torch::Tensor loss;
      {
        const Autocast mixed(torch::kCPU, torch::kBFloat16);
        loss = model->loss(model->forward(input), target, LossKind::kAuto);
      }
      const double expected = losses[step];
      ASSERT_NEAR(loss.item<double>(), expected, 5e-3 * expected) << name << ", step " << step + 1;
      model->zero_grad();
      loss.backward();
      flat.step(options.lr);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Parity,
                         testing::Values("mlp", "mlp_mse", "resnet18", "resnet18_imagenet", "gpt"),
                         [](const auto& info) { return info.param; });

TEST(ParityValues, WereWrittenByTheCommittedScript) {
  EXPECT_EQ(stored().at("script_sha256").get<std::string>(), PARITY_SCRIPT_SHA256)
      << "make_values.py changed after values.json was written: run it again";
  EXPECT_EQ(stored().at("cases").size(), 5u);
}

TEST(ParityValues, NameTheTorchThatMadeThem) {
  EXPECT_TRUE(stored().at("torch").get<std::string>().starts_with("2.11.0"));
}

}  // namespace
}  // namespace lockstep
