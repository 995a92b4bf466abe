// SPDX-License-Identifier: Apache-2.0
// What becomes of a module's buffers in a loop of one's own. Ranks are threads.
#include <gmock/gmock.h>
#include <torch/torch.h>

#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "comm/agree.h"
#include "comm/loopback/loopback_world.h"
#include "lockstep/base/error.h"
#include "lockstep/loop/data_parallel.h"
#include "loop/session_over.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

constexpr int kMicroBatches = 3;

void run_sessions(int ranks, const std::function<void(Session&)>& body) {
  run_loopback(WorldSize(ranks), [&](World& world) {
    const auto session = session_over(std::move(world));
    body(*session);
  });
}

// A causal mask, a grid, and an average that runs with the data, in training or always.
struct NetImpl : torch::nn::Module {
  explicit NetImpl(torch::ScalarType dtype = torch::kFloat32) {
    weight = register_parameter("weight", torch::ones({4}, dtype));
    mask = register_buffer("mask", torch::full({4}, std::numeric_limits<float>::lowest()));
    grid = register_buffer("grid", torch::linspace(0, 1, 1000, torch::kFloat32));
    half = register_buffer("half", torch::full({2}, 60000, torch::kFloat16));
    running = register_buffer("running", torch::zeros({4}));
  }
  torch::Tensor forward(const torch::Tensor& x) {
    if (is_training() || runs_on) {
      const torch::NoGradGuard no_grad;
      running.mul_(0.9).add_(x, 0.1);
    }
    return (weight * (x - running)).square();
  }
  torch::Tensor weight, mask, grid, half, running;
  bool runs_on = false;
};
TORCH_MODULE(Net);

torch::Tensor loss_of(Net& net, MicroBatch m) {
  return net(torch::full({4}, static_cast<float>(m.step + 0.3 * m.index))).mean();
}

void step(DataParallel& parallel, Net& net, std::int64_t at) {
  parallel.backward(at, [&](MicroBatch m) { return loss_of(net, m); });
}

// What all ranks throw, as one.
std::string fault_at(int ranks, const std::function<void(Session&)>& body) {
  std::string fact = "nothing was thrown";
  run_sessions(ranks, [&](Session& session) {
    try {
      body(session);
    } catch (const AgreedFault& fault) {
      if (session.rank() == 0) fact = fault.fact();
    }
  });
  return fact;
}

TEST(Buffers, ThatNoMicroBatchChangesKeepTheirBits) {
  for (const int ranks : {1, 2, 3})
    run_sessions(ranks, [](Session& session) {
      Net net, before;
      DataParallel parallel(session, *net, {.micro_batches = kMicroBatches});
      for (int at = 0; at < 3; ++at) step(parallel, net, at);
      EXPECT_TRUE(torch::equal(net->mask, before->mask)) << net->mask;
      EXPECT_TRUE(torch::equal(net->grid, before->grid));
      EXPECT_TRUE(torch::equal(net->half, before->half)) << net->half;
      EXPECT_FALSE(torch::equal(net->running, before->running)) << "this one is averaged";
    });
}

TEST(Buffers, ThatRunOnInAnEvaluationAreRefusedAtAnyNumberOfRanks) {
  const auto evaluate = [](bool runs_on) {
    return [runs_on](Session& session) {
      Net net;
      net->runs_on = runs_on;
      DataParallel parallel(session, *net, {.micro_batches = kMicroBatches});
      step(parallel, net, 0);
      const auto measure = [&](std::int64_t chunk) -> std::map<std::string, Measured> {
        return {{"mean", {net(torch::full({4}, 1.f + static_cast<float>(chunk))).sum().item<double>(), 4}}};
      };
      const auto first = parallel.evaluate(6, measure);
      EXPECT_EQ(parallel.evaluate(6, measure), first);
    };
  };
  for (const int ranks : {1, 2, 3}) {
    EXPECT_EQ(fault_at(ranks, evaluate(false)), "nothing was thrown");
    EXPECT_THAT(fault_at(ranks, evaluate(true)), HasSubstr("buffer running changes from chunk to chunk"));
  }
}

TEST(Buffers, ChangedOnOneRankBetweenTwoStepsAreFound) {
  const auto change = [](bool on_all) {
    return [on_all](Session& session) {
      Net net;
      DataParallel parallel(session, *net, {.micro_batches = kMicroBatches});
      step(parallel, net, 0);
      const torch::NoGradGuard no_grad;
      if (on_all || session.rank() == 1) net->running.data().add_(1);
      const torch::AutoGradMode with_grad(true);
      step(parallel, net, 1);
    };
  };
  EXPECT_EQ(fault_at(2, change(true)), "nothing was thrown");
  EXPECT_THAT(fault_at(2, change(false)),
              HasSubstr("before step 1: buffer running is not the same on rank 1 as on rank 0"));
}

TEST(Buffers, AreThoseOfOneDataParallel) {
  const auto share = [](Session& session) {
    Net one;
    struct Holder : torch::nn::Module {
      explicit Holder(const torch::Tensor& buffer) {
        register_parameter("weight", torch::ones({1}));
        register_buffer("its", buffer);
      }
    } holder(one->running);
    DataParallel parallel(session, *one, {.micro_batches = 1});
    DataParallel second(session, holder, {.micro_batches = 1});
  };
  EXPECT_THAT(fault_at(1, share), HasSubstr("buffer its belongs to another DataParallel already"));
}

TEST(Losses, OfAModelOfHalvesAreAddedInDouble) {
  struct HalfImpl : torch::nn::Module {
    HalfImpl() { weight = register_parameter("weight", torch::ones({2}, torch::kFloat16)); }
    torch::Tensor weight;
  };
  for (const int ranks : {1, 2, 3})
    run_sessions(ranks, [](Session& session) {
      HalfImpl net;
      DataParallel parallel(session, net, {.micro_batches = kMicroBatches});
      const double loss = parallel.backward(
          0, [&](MicroBatch m) { return net.weight.to(torch::kFloat32).mean() * 1e-3 + 60000 + m.index; });
      EXPECT_NEAR(loss, 60001.001, 0.01);
    });
}

// A gradient from before it was frozen would be stepped with for ever.
TEST(Gradients, OfAParameterThatIsFrozenForTheNextDataParallelAreGone) {
  run_sessions(2, [](Session& session) {
    struct TwoImpl : torch::nn::Module {
      TwoImpl() {
        a = register_parameter("a", torch::ones({2}));
        b = register_parameter("b", torch::ones({2}));
      }
      torch::Tensor a, b;
    } net;
    const auto loss = [&](MicroBatch) { return (net.a * net.b).sum(); };
    { DataParallel(session, net, {.micro_batches = 2}).backward(0, loss); }
    ASSERT_TRUE(net.a.grad().defined());
    net.a.set_requires_grad(false);
    DataParallel parallel(session, net, {.micro_batches = 2});
    parallel.backward(0, loss);
    EXPECT_FALSE(net.a.grad().defined());
    EXPECT_TRUE(net.b.grad().defined());
  });
}

}  // namespace
}  // namespace lockstep
