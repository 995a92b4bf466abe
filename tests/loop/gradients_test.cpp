// SPDX-License-Identifier: Apache-2.0
// What backward() leaves, against plain LibTorch on the same global batch. Ranks are threads.
#include <gmock/gmock.h>
#include <torch/torch.h>

#include <functional>
#include <map>
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

constexpr int kMicroBatches = 6;
constexpr std::int64_t kSamples = 4;  // of a micro-batch

torch::Tensor numbers(std::int64_t from, c10::IntArrayRef shape) {
  const std::int64_t count = c10::multiply_integers(shape);
  return torch::sin(torch::arange(from, from + count, torch::kFloat64) * 0.7).view(shape);
}

// Threads share LibTorch's default generator: parameters are functions of their place.
void fill(torch::nn::Module& module, std::int64_t from) {
  const torch::NoGradGuard no_grad;
  for (torch::Tensor& parameter : module.parameters()) {
    parameter.set_data(numbers(from, parameter.sizes()));
    from += 100;
  }
}

// A layer used twice, one that is frozen, one that no loss reaches.
struct NetImpl : torch::nn::Module {
  NetImpl() {
    in = register_module("in", torch::nn::Linear(5, 7));
    middle = register_module("middle", torch::nn::Linear(7, 7));
    out = register_module("out", torch::nn::Linear(7, 2));
    idle = register_module("idle", torch::nn::Linear(2, 2));
    fill(*this, 3);
    middle->bias.set_requires_grad(false);
  }
  torch::Tensor forward(const torch::Tensor& x) {
    return out(torch::tanh(middle(torch::tanh(middle(torch::tanh(in(x)))))));
  }
  torch::nn::Linear in{nullptr}, middle{nullptr}, out{nullptr}, idle{nullptr};
};
TORCH_MODULE(Net);

torch::Tensor inputs(std::int64_t step, std::int64_t micro_batch, std::int64_t count) {
  const std::int64_t first = step * kMicroBatches + micro_batch;
  return numbers(first * kSamples * 5, {count * kSamples, 5});
}

torch::Tensor loss_of(Net& net, const torch::Tensor& x) {
  return torch::mse_loss(net(x), torch::stack({x.sum(1), x.prod(1)}, 1));
}

using Gradients = std::map<std::string, torch::Tensor>;

Gradients gradients_of(const torch::nn::Module& module) {
  Gradients all;
  for (const auto& item : module.named_parameters())
    all[item.key()] = item.value().grad().defined() ? item.value().grad().clone() : torch::Tensor();
  return all;
}

Gradients plain_gradients(std::int64_t step) {
  Net net;
  loss_of(net, inputs(step, 0, kMicroBatches)).backward();
  return gradients_of(*net);
}

void run_sessions(int ranks, const std::function<void(Session&)>& body) {
  run_loopback(WorldSize(ranks), [&](World& world) {
    const auto session = session_over(std::move(world));
    body(*session);
  });
}

bool same(const torch::Tensor& a, const torch::Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || torch::equal(a, b));
}

// Of rank 0, and equal to the bit on all others.
Gradients gradients_at(int ranks, bool fast = false) {
  std::vector<Gradients> all(static_cast<std::size_t>(ranks));
  run_sessions(ranks, [&](Session& session) {
    Net net;
    DataParallel parallel(session, *net, {.micro_batches = kMicroBatches, .fast = fast});
    parallel.backward(2, [&](MicroBatch m) { return loss_of(net, inputs(m.step, m.index, 1)); });
    all[static_cast<std::size_t>(session.rank())] = gradients_of(*net);
  });
  for (const Gradients& other : all)
    for (const auto& [name, gradient] : all[0]) EXPECT_TRUE(same(other.at(name), gradient)) << name;
  return all[0];
}

void expect_near(const Gradients& expected, const Gradients& got, const std::string& where) {
  ASSERT_EQ(expected.size(), got.size());
  for (const auto& [name, gradient] : expected) {
    ASSERT_EQ(gradient.defined(), got.at(name).defined()) << name << " at " << where;
    if (!gradient.defined()) continue;
    EXPECT_GT(gradient.abs().max().item<double>(), 1e-3) << name << ": there is something to compare";
    EXPECT_LT((gradient - got.at(name)).abs().max().item<double>(), 1e-12) << name << " at " << where;
  }
}

TEST(Gradients, AreThoseOfPlainLibTorchAtAnyNumberOfRanks) {
  const Gradients plain = plain_gradients(2);
  EXPECT_FALSE(plain.at("idle.weight").defined());
  EXPECT_FALSE(plain.at("middle.bias").defined());
  const Gradients one = gradients_at(1);
  for (const int ranks : {1, 2, 3, 6}) {
    const Gradients here = gradients_at(ranks);
    expect_near(plain, here, std::to_string(ranks) + " ranks");
    for (const auto& [name, gradient] : one)
      EXPECT_TRUE(same(here.at(name), gradient)) << name << " at " << ranks;
  }
}

TEST(Gradients, AveragedByTheBackendAreThoseOfPlainLibTorchToo) {
  const Gradients plain = plain_gradients(2);
  for (const int ranks : {1, 2, 3}) expect_near(plain, gradients_at(ranks, /*fast=*/true), "fast");
}

// As LibTorch's own, whose next backward() has other memory: a program may compare it with the next one.
TEST(Gradients, KeepTheirNumbersForWhoHoldsThemBeyondTheStep) {
  for (const bool is_emptied : {false, true})
    run_sessions(2, [&](Session& session) {
      Net net;
      DataParallel parallel(session, *net, {.micro_batches = kMicroBatches});
      const auto loss = [&](MicroBatch m) { return loss_of(net, inputs(m.step, m.index, 1)); };
      parallel.backward(0, loss);
      const torch::Tensor kept = net->in->weight.grad();
      const torch::Tensor copy = kept.clone();
      if (is_emptied) net->zero_grad();
      parallel.backward(1, loss);
      EXPECT_TRUE(torch::equal(kept, copy)) << "emptied: " << is_emptied;
      EXPECT_FALSE(torch::equal(net->in->weight.grad(), copy));
    });
}

TEST(Gradients, TakeThePlaceOfWhateverWasThere) {
  run_sessions(2, [&](Session& session) {
    Net net;
    DataParallel parallel(session, *net, {.micro_batches = kMicroBatches});
    for (torch::Tensor& parameter : net->parameters())
      if (parameter.requires_grad()) parameter.mutable_grad() = torch::full_like(parameter, 1e6);
    const auto loss = [&](MicroBatch m) { return loss_of(net, inputs(2, m.index, 1)); };
    parallel.backward(0, loss);
    expect_near(plain_gradients(2), gradients_of(*net), "junk before");
    parallel.backward(1, loss);
    expect_near(plain_gradients(2), gradients_of(*net), "a backward() before");
  });
}

TEST(Gradients, OfAModuleThatTheLossOnlyGoesThroughStayAsTheyWere) {
  run_sessions(2, [&](Session& session) {
    Net maker, teller;
    DataParallel make(session, *maker, {.micro_batches = kMicroBatches});
    DataParallel tell(session, *teller, {.micro_batches = kMicroBatches});
    const auto both = [&](MicroBatch m) {
      const torch::Tensor made = maker(inputs(m.step, m.index, 1));
      return teller(torch::cat({made, made, made.sum(1, true)}, 1)).pow(2).mean();
    };
    tell.backward(0, [&](MicroBatch m) { return loss_of(teller, inputs(2, m.index, 1)); });
    const Gradients told = gradients_of(*teller);
    const torch::Tensor kept = teller->in->weight.grad();
    make.backward(0, both);
    EXPECT_TRUE(maker->in->weight.grad().defined());
    EXPECT_EQ(teller->in->weight.grad().unsafeGetTensorImpl(), kept.unsafeGetTensorImpl());
    expect_near(told, gradients_of(*teller), "after the other's backward()");
    expect_near(plain_gradients(2), told, "before it");
    // Nor does one appear where there was none.
    for (torch::Tensor& parameter : teller->parameters()) parameter.mutable_grad().reset();
    make.backward(1, both);
    for (const auto& [name, gradient] : gradients_of(*teller)) EXPECT_FALSE(gradient.defined()) << name;
  });
}

TEST(Gradients, OfAModuleOfTwoDtypesAreEach) {
  struct Mixed : torch::nn::Module {
    Mixed() {
      fine = register_parameter("fine", numbers(1, {5}));
      coarse = register_parameter("coarse", numbers(9, {5}).to(torch::kFloat32));
    }
    torch::Tensor fine, coarse;
  };
  const auto loss = [](const Mixed& net, const torch::Tensor& x) {
    return (x * net.fine * net.coarse.to(torch::kFloat64)).pow(2).mean();
  };
  Mixed plain;
  loss(plain, inputs(1, 0, kMicroBatches)).backward();
  for (const int ranks : {1, 2, 3})
    run_sessions(ranks, [&](Session& session) {
      Mixed net;
      DataParallel parallel(session, net, {.micro_batches = kMicroBatches});
      parallel.backward(1, [&](MicroBatch m) { return loss(net, inputs(m.step, m.index, 1)); });
      EXPECT_LT((net.fine.grad() - plain.fine.grad()).abs().max().item<double>(), 1e-12);
      EXPECT_LT((net.coarse.grad() - plain.coarse.grad()).abs().max().item<double>(), 1e-6);
    });
}

// Of steps 0 to 4; in each a parameter leaves alone as soon as its gradient is there.
std::vector<Gradients> gradients_with(int ranks, BackwardOverlap overlap) {
  std::vector<Gradients> steps;
  run_sessions(ranks, [&](Session& session) {
    Net net;
    DataParallel parallel(session, *net,
                          {.micro_batches = kMicroBatches, .overlap = overlap, .bucket_mb = 1e-6});
    for (std::int64_t step = 0; step < 5; ++step) {
      const auto loss = [&](MicroBatch m) { return loss_of(net, inputs(m.step, m.index, 1)); };
      if (step == 3) {  // one rank fails, all are told, and go on
        EXPECT_THROW(parallel.backward(step,
                                       [&](MicroBatch m) {
                                         if (m.index == kMicroBatches - 1)
                                           throw std::runtime_error("no luck");
                                         return loss(m);
                                       }),
                     AgreedFault);
      }
      parallel.backward(step, loss);
      if (session.rank() == 0) steps.push_back(gradients_of(*net));
    }
  });
  return steps;
}

TEST(Overlap, OfALoopOfOnesOwnGivesTheSameGradients) {
  const std::vector<Gradients> without = gradients_with(1, BackwardOverlap::kOff);
  for (const int ranks : {1, 2, 3, 6}) {
    const std::vector<Gradients> with = gradients_with(ranks, BackwardOverlap::kOn);
    ASSERT_EQ(with.size(), without.size());
    for (std::size_t step = 0; step < with.size(); ++step)
      for (const auto& [name, gradient] : without[step])
        EXPECT_TRUE(same(with[step].at(name), gradient)) << name << " at " << ranks << ", step " << step;
  }
}

TEST(Overlap, NeedsBucketsOfSomeSize) {
  run_sessions(1, [](Session& session) {
    Net net;
    EXPECT_THROW(DataParallel(session, *net, {.bucket_mb = 0}), AgreedFault);
  });
}

TEST(BuiltInOptimizer, UpdatesAsTorchOptimDoesWithTheGradientsOfBackward) {
  Net plain;
  torch::optim::AdamW optimizer(plain->parameters(),
                                torch::optim::AdamWOptions(0.01).betas({0.8, 0.95}).weight_decay(0.1));
  for (int step = 0; step < 5; ++step) {
    optimizer.zero_grad();
    loss_of(plain, inputs(step, 0, kMicroBatches)).backward();
    torch::nn::utils::clip_grad_norm_(plain->parameters(), 0.5);
    optimizer.step();
  }
  run_sessions(3, [&](Session& session) {
    Net net;
    DataParallel parallel(session, *net, {.micro_batches = kMicroBatches});
    parallel.optimize_with(AdamW{.lr = 0.01, .betas = {0.8, 0.95}, .weight_decay = 0.1, .clip = 0.5});
    for (int step = 0; step < 5; ++step)
      parallel.update(step, [&](MicroBatch m) { return loss_of(net, inputs(m.step, m.index, 1)); });
    const auto expected = plain->named_parameters();
    for (const auto& item : net->named_parameters())
      EXPECT_LT((item.value() - expected[item.key()]).abs().max().item<double>(), 1e-9) << item.key();
  });
}

TEST(Evaluation, GivesTheSameNumbersAtAnyNumberOfRanks) {
  std::vector<double> errors;
  for (const int ranks : {1, 2, 3}) {
    run_sessions(ranks, [&](Session& session) {
      Net net;
      DataParallel parallel(session, *net, {.micro_batches = kMicroBatches});
      const auto measured = parallel.evaluate(5, [&](std::int64_t chunk) {
        EXPECT_FALSE(net->is_training());
        const torch::Tensor loss = loss_of(net, inputs(0, chunk, 1));
        EXPECT_FALSE(loss.requires_grad());
        return std::map<std::string, Measured>{{"error", {loss.item<double>() * kSamples, kSamples}}};
      });
      EXPECT_TRUE(net->is_training());
      if (session.is_root()) errors.push_back(measured.at("error"));
    });
  }
  ASSERT_EQ(errors.size(), 3u);
  EXPECT_EQ(errors[0], errors[1]);
  EXPECT_EQ(errors[0], errors[2]);
  Net net;
  EXPECT_NEAR(errors[0], loss_of(net, inputs(0, 0, 5)).item<double>(), 1e-12);
}

TEST(Verbs, ThatDifferBetweenRanksEndAllOfThemNamingWhoSaidWhat) {
  for (int ranks : {2, 3}) {
    std::vector<std::string> said(static_cast<std::size_t>(ranks));
    run_sessions(ranks, [&](Session& session) {
      try {
        session.rank() == 1 ? session.barrier() : static_cast<void>(session.agree_max(4));
      } catch (const Fault& fault) {
        EXPECT_EQ(fault.code(), ExitCode::kBug);
        said[static_cast<std::size_t>(session.rank())] = fault.what();
      }
    });
    for (const std::string& text : said)
      EXPECT_THAT(text, HasSubstr("agree_max() of rank" + std::string(ranks == 3 ? "s 0, 2" : " 0") +
                                  "; barrier() of rank 1"));
  }
}

}  // namespace
}  // namespace lockstep
