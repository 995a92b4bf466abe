// SPDX-License-Identifier: Apache-2.0
// A loop of one's own with an autocast and a loss scaler of its own. Ranks are threads.
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <utility>
#include <vector>

#include "comm/loopback/loopback_world.h"
#include "lockstep/loop/data_parallel.h"
#include "lockstep/optim/loss_scaler.h"
#include "loop/session_over.h"

namespace lockstep {
namespace {

constexpr int kMicroBatches = 4;

// As a program writes one that knows LibTorch alone.
class OwnAutocast {
 public:
  explicit OwnAutocast(torch::ScalarType dtype) {
    at::autocast::set_autocast_dtype(at::kCPU, dtype);
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::increment_nesting();
  }
  ~OwnAutocast() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, false);
  }
};

struct Net : torch::nn::Module {
  Net() {
    in = register_module("in", torch::nn::Linear(5, 8));
    out = register_module("out", torch::nn::Linear(8, 1));
    const torch::NoGradGuard no_grad;
    for (torch::Tensor& parameter : parameters())
      parameter.copy_(0.1 * torch::sin(torch::arange(parameter.numel())).view(parameter.sizes()));
  }
  // `far`: the target of one micro-batch.
  torch::Tensor loss(const MicroBatch& m, double far) {
    const torch::Tensor x = torch::sin(torch::arange(15) * (m.index + 1)).view({3, 5});
    return torch::mse_loss(out(torch::tanh(in(x))), torch::full({3, 1}, m.index == 2 ? far : 0.1));
  }
  torch::nn::Linear in{nullptr}, out{nullptr};
};

// Of each rank: what `use` makes of its gradients.
template <class Use>
std::vector<torch::Tensor> at_ranks(int ranks, torch::ScalarType dtype, const LossScaler& scaler, double far,
                                    Use use) {
  std::vector<torch::Tensor> all(static_cast<std::size_t>(ranks));
  run_loopback(WorldSize(ranks), [&](World& world) {
    const auto session = session_over(std::move(world));
    Net net;
    DataParallel parallel(*session, net, {.micro_batches = kMicroBatches});
    parallel.backward(0, [&](MicroBatch m) {
      const OwnAutocast mixed(dtype);
      return scaler.scaled(net.loss(m, far));
    });
    all[static_cast<std::size_t>(session->rank())] = use(net.parameters());
  });
  return all;
}

torch::Tensor joined(const std::vector<torch::Tensor>& parameters) {
  std::vector<torch::Tensor> flat;
  for (const torch::Tensor& parameter : parameters) flat.push_back(parameter.grad().flatten());
  return torch::cat(flat).clone();
}

TEST(MixedPrecision, OfALoopOfOnesOwnGivesTheSameGradientsAtAnyNumberOfRanks) {
  LossScaler none;
  none.restore(1, 0, 0);
  const torch::Tensor alone = at_ranks(1, torch::kBFloat16, none, 0.1, joined)[0];
  EXPECT_EQ(alone.scalar_type(), torch::kFloat32);
  for (const int ranks : {2, 3, 4})
    for (const torch::Tensor& gradient : at_ranks(ranks, torch::kBFloat16, none, 0.1, joined))
      EXPECT_TRUE(torch::equal(gradient, alone)) << ranks;
  const torch::Tensor full = at_ranks(1, torch::kFloat32, none, 0.1, joined)[0];
  EXPECT_FALSE(torch::equal(full, alone));
  EXPECT_LT((full - alone).norm().item<double>(), 0.05 * full.norm().item<double>());
}

// One micro-batch of one rank overflows float16.
TEST(MixedPrecision, AnOverflowIsSeenOnAllRanks) {
  const auto unscaled = [](double far) {
    return [far](const std::vector<torch::Tensor>& parameters) {
      LossScaler scaler;
      EXPECT_EQ(scaler.unscale(parameters), far < 10);
      return torch::stack(
          {torch::tensor(scaler.scale()), joined(parameters).isfinite().all().to(at::kDouble)});
    };
  };
  for (const torch::Tensor& rank : at_ranks(3, torch::kHalf, LossScaler(), 1e3, unscaled(1e3)))
    EXPECT_EQ(rank[0].item<double>(), 32768);
  for (const torch::Tensor& rank : at_ranks(3, torch::kHalf, LossScaler(), 0.1, unscaled(0.1))) {
    EXPECT_EQ(rank[0].item<double>(), 65536);
    EXPECT_EQ(rank[1].item<double>(), 1);
  }
}

}  // namespace
}  // namespace lockstep
