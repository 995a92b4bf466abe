// SPDX-License-Identifier: Apache-2.0
#include "lockstep/models/recompute.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>

#include "lockstep/models/autocast.h"
#include "lockstep/models/registry.h"

namespace lockstep {
namespace {

using torch::Tensor;

std::shared_ptr<Model> small_gpt() {
  at::set_num_threads(1);
  ModelOptions options;
  options.type = "gpt";
  options.layers = 3;
  options.heads = 2;
  options.width = 16;
  options.context = 8;
  options.vocab = 32;
  options.dropout = 0.3;
  torch::manual_seed(3);
  return ModelRegistry::with_builtin().make(options);
}

struct Run {
  std::optional<torch::ScalarType> dtype;
  bool freezes = false;
};

// The loss, each gradient, and a number of the generator behind it.
std::vector<Tensor> results(const Run& run, bool recomputes) {
  const auto model = small_gpt();
  EXPECT_TRUE(!recomputes || model->recompute_blocks());
  if (run.freezes)
    for (auto& item : model->named_parameters())
      if (item.key().find("h.1") == std::string::npos) item.value().requires_grad_(false);
  const Tensor tokens = torch::arange(16).view({2, 8});
  torch::manual_seed(5);
  std::vector<Tensor> all;
  {
    const Autocast mixed(torch::kCPU, run.dtype);
    all.push_back(model->loss(model->forward(tokens), tokens, LossKind::kAuto));
  }
  all[0].backward();
  all.push_back(torch::rand({}));
  for (const Tensor& parameter : model->parameters())
    if (parameter.requires_grad()) all.push_back(parameter.grad());
  return all;
}

class RecomputedGpt : public ::testing::TestWithParam<Run> {};

TEST_P(RecomputedGpt, HasTheSameLossGradientsAndRandomNumbers) {
  const auto kept = results(GetParam(), /*recomputes=*/false);
  const auto again = results(GetParam(), /*recomputes=*/true);
  ASSERT_EQ(kept.size(), again.size());
  ASSERT_GT(kept.size(), 10u);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    ASSERT_TRUE(kept[i].defined() && again[i].defined()) << i;
    EXPECT_TRUE(torch::equal(kept[i], again[i])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Precision, RecomputedGpt,
                         ::testing::Values(Run{}, Run{torch::kBFloat16}, Run{{}, true},
                                           Run{torch::kBFloat16, true}));

// A layer that notes how it was called.
struct Noted {
  torch::nn::Linear layer{4, 4};
  std::vector<bool> with_graph, in_autocast;

  Tensor part(const Tensor& x) {
    with_graph.push_back(torch::GradMode::is_enabled());
    in_autocast.push_back(at::autocast::is_autocast_enabled(at::kCPU));
    return layer(x).relu();
  }
  Tensor apply(const Tensor& x) {
    return recomputed([this](const Tensor& input) { return part(input); }, x, layer->parameters());
  }
};

TEST(Recomputed, IsCalledWithoutAGraphAndOnceMoreInBackward) {
  Noted noted;
  const Tensor x = torch::randn({2, 4});
  const Tensor loss = noted.apply(x).sum();
  EXPECT_EQ(noted.with_graph, std::vector<bool>({false}));
  {
    // Backward inside another autocast than forward's, as it is not meant: the first one counts.
    const Autocast mixed(torch::kCPU, torch::kBFloat16);
    loss.backward();
    EXPECT_TRUE(at::autocast::is_autocast_enabled(at::kCPU));
  }
  EXPECT_EQ(noted.with_graph, std::vector<bool>({false, true}));
  EXPECT_EQ(noted.in_autocast, std::vector<bool>({false, false}));
  EXPECT_TRUE(noted.layer->weight.grad().defined());
}

TEST(Recomputed, IsAPlainCallWhereNobodyWantsAGradient) {
  Noted noted;
  {
    const torch::NoGradGuard no_grad;
    noted.apply(torch::randn({2, 4}));
  }
  for (Tensor& parameter : noted.layer->parameters()) parameter.requires_grad_(false);
  EXPECT_FALSE(noted.apply(torch::randn({2, 4})).requires_grad());
  EXPECT_EQ(noted.with_graph, std::vector<bool>({false, true}));
}

// As parameters() does of tied weights.
TEST(Recomputed, GivesAParameterThatIsListedTwiceItsGradientOnce) {
  const auto gradient = [](bool recomputes) {
    Tensor weight = torch::arange(1, 5, torch::kFloat32).view({2, 2}).set_requires_grad(true);
    const auto part = [&](const Tensor& x) { return torch::tanh(x.matmul(weight)).matmul(weight.t()); };
    const Tensor x = torch::full({3, 2}, 0.1);
    (recomputes ? recomputed(part, x, {weight, weight}) : part(x)).sum().backward();
    return weight.grad();
  };
  EXPECT_TRUE(torch::equal(gradient(false), gradient(true)));
}

// A weight that is cast inside is used outside too, in one autocast.
TEST(Recomputed, DoesNotHideAWeightFromItsOtherUse) {
  const auto gradient = [](bool recomputes) {
    torch::manual_seed(1);
    Noted noted;
    const Tensor x = torch::randn({2, 4});
    Tensor loss;
    {
      const Autocast mixed(torch::kCPU, torch::kBFloat16);
      const Tensor inner = recomputes ? noted.apply(x) : noted.part(x);
      loss = noted.layer(inner).to(torch::kFloat32).sum();
    }
    loss.backward();
    return noted.layer->weight.grad();
  };
  EXPECT_TRUE(torch::allclose(gradient(false), gradient(true), 1e-2, 1e-2));
}

TEST(Recomputed, PutsTheGeneratorBackBehindAnException) {
  torch::nn::Linear layer(4, 4);
  int calls = 0;
  const auto part = [&](const Tensor& input) {
    const Tensor out = torch::dropout(layer(input), 0.5, true);
    if (++calls == 2) throw std::runtime_error("the second time");
    return out;
  };
  const Tensor loss = recomputed(part, torch::randn({2, 4}), layer->parameters()).sum();
  torch::manual_seed(9);
  EXPECT_ANY_THROW(loss.backward());
  const Tensor drawn = torch::rand({});
  torch::manual_seed(9);
  EXPECT_TRUE(torch::equal(drawn, torch::rand({})));
}

}  // namespace
}  // namespace lockstep
