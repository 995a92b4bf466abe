// SPDX-License-Identifier: Apache-2.0
// A gradient is what .grad holds after the whole of forward and backward, bit for bit, whatever a model does
// on the way.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <torch/torch.h>

#include <thread>

#include "comm/loopback/loopback_world.h"
#include "lockstep/base/error.h"
#include "parallel/gradient_reducer.h"
#include "points.h"
#include "support/whole_mean.h"
#include "train/gradient_pass.h"

namespace lockstep {
namespace {

using torch::Tensor;

constexpr std::int64_t kMicroBatch = 5;
constexpr int kMicroBatches = 4;
const ComputeDevice kFloat64{torch::kCPU, torch::kFloat64};

// A cell that is used three times, and a layer that is used once.
struct Recurrent : Model {
  Recurrent() {
    cell = register_module("cell", torch::nn::Linear(14, 8));
    head = register_module("head", torch::nn::Linear(8, 3));
  }
  Tensor step(const Tensor& h, const Tensor& x) { return torch::tanh(cell(torch::cat({h, x}, 1))); }
  virtual Tensor next(const Tensor& h, const Tensor& x) { return step(h, x); }
  Tensor forward(Tensor x) override {
    Tensor h = torch::zeros({x.size(0), 8}, x.options().requires_grad(true));
    for (int t = 0; t < 3; ++t) h = next(h, x * (t + 1));
    return head(h);
  }
  torch::nn::Linear cell{nullptr}, head{nullptr};
};

// torch.utils.checkpoint, in C++: forward without a graph, backward computes it again.
struct Recompute : torch::autograd::Function<Recompute> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& h, const Tensor& x,
                        std::int64_t net) {
    context->save_for_backward({h, x});
    context->saved_data["net"] = net;
    const torch::NoGradGuard no_grad;
    return reinterpret_cast<Recurrent*>(net)->step(h, x);
  }
  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               torch::autograd::tensor_list gradients) {
    const auto saved = context->get_saved_variables();
    const torch::AutoGradMode with_grad(true);
    const Tensor h = saved[0].detach().requires_grad_();
    auto* net = reinterpret_cast<Recurrent*>(context->saved_data["net"].toInt());
    net->step(h, saved[1].detach()).backward(gradients[0]);
    return {h.grad(), Tensor(), Tensor()};
  }
};

struct Recomputing : Recurrent {
  Tensor next(const Tensor& h, const Tensor& x) override {
    return Recompute::apply(h, x, reinterpret_cast<std::int64_t>(static_cast<Recurrent*>(this)));
  }
};

// Recomputes for some data only, so that what comes late does not show in the first micro-batch.
struct SometimesRecomputing : Recomputing {
  Tensor next(const Tensor& h, const Tensor& x) override {
    const bool late = x[0][0].item<double>() < 0;
    return late ? Recomputing::next(h, x) : Recurrent::next(h, x);
  }
};

struct AuxiliaryBackward : Recurrent {
  Tensor forward(Tensor x) override {
    Recurrent::forward(x).square().mean().backward();
    if (x[0][0].item<double>() < 0) cell->bias.mutable_grad().mul_(0.5);
    return Recurrent::forward(x);
  }
};

struct AuxiliaryBackwardOnAThread : Recurrent {
  Tensor forward(Tensor x) override {
    std::thread([&] { Recurrent::forward(x).square().mean().backward(); }).join();
    return Recurrent::forward(x);
  }
};

struct ForgetsTheAuxiliary : Recurrent {
  Tensor forward(Tensor x) override {
    Recurrent::forward(x).square().mean().backward();
    zero_grad();
    return Recurrent::forward(x);
  }
};

struct OnlyAuxiliary : Recurrent {
  OnlyAuxiliary() { apart = register_parameter("apart", torch::ones({3})); }
  Tensor forward(Tensor x) override {
    (apart * apart).sum().backward();
    return Recurrent::forward(x);
  }
  Tensor apart;
};

struct SetByHand : Recurrent {
  Tensor forward(Tensor x) override {
    head->bias.mutable_grad() = torch::full_like(head->bias, 0.25);
    return Recurrent::forward(x);
  }
};

// By a hook of the hidden state, which runs when the head's gradients have been moved already.
struct SetByHandInBackward : Recurrent {
  Tensor next(const Tensor& h, const Tensor& x) override {
    const Tensor out = Recurrent::next(h, x);
    out.register_hook([this](const Tensor&) {
      const torch::NoGradGuard no_grad;
      head->weight.mutable_grad() = torch::full_like(head->weight, 0.5);
    });
    return out;
  }
};

struct GradientPenalty : Recurrent {
  Tensor forward(Tensor x) override {
    x = x.detach().requires_grad_();
    const Tensor out = Recurrent::forward(x);
    penalty = torch::autograd::grad({out.sum()}, {x}, {}, true, true)[0].square().mean();
    return out;
  }
  Tensor loss(const Tensor& output, const Tensor& target, LossKind kind) override {
    return Model::loss(output, target, kind) + penalty;
  }
  Tensor penalty;
};

struct WithHooks : Recurrent {
  struct Clamp : torch::autograd::PostAccumulateGradHook {
    void operator()(const Tensor& leaf) override {
      const torch::NoGradGuard no_grad;
      leaf.mutable_grad().clamp_(-0.01, 0.01);
    }
  };
  WithHooks() {
    torch::autograd::impl::set_post_acc_grad_hooks(cell->weight, std::make_unique<Clamp>());
    head->weight.register_hook([](const Tensor& gradient) { return gradient * 2; });
  }
};

struct HooksItselfLater : WithHooks {
  Tensor forward(Tensor x) override {
    torch::autograd::impl::set_post_acc_grad_hooks(head->bias, std::make_unique<Clamp>());
    return Recurrent::forward(x);
  }
};

// Gradients that are expanded, transposed or the same tensor for two parameters.
struct OddGradients : Recurrent {
  OddGradients() {
    a = register_parameter("a", torch::ones({3, 2}));
    b = register_parameter("b", torch::ones({2, 3}));
  }
  Tensor loss(const Tensor& output, const Tensor& target, LossKind kind) override {
    return Model::loss(output, target, kind) + a.sum() + (a.t() + b).square().sum() +
           a.expand({4, 3, 2}).sum();
  }
  Tensor a, b;
};

struct Tied : Recurrent {
  Tied() { same = register_parameter("same", cell->weight); }
  Tensor forward(Tensor x) override { return Recurrent::forward(x) + same.sum(); }
  Tensor same;
};

OptimOptions standing_still() {
  return {.type = "sgd", .lr = 0, .weight_decay = 0};
}

TrainingPlan plan() {
  TrainingPlan plan;
  plan.micro_batches = kMicroBatches;
  plan.mine = {0, kMicroBatches};
  plan.micro_batch = kMicroBatch;
  plan.global_batch = kMicroBatch * kMicroBatches;
  return plan;
}

template <class Net>
std::shared_ptr<Net> make() {
  torch::manual_seed(3);
  return std::make_shared<Net>();
}

// By plain LibTorch: .grad of each micro-batch, then along the tree.
template <class Net>
std::map<std::string, Tensor> plain_gradients(const MicroBatches& batches) {
  const auto net = make<Net>();
  net->to(torch::kFloat64);
  std::map<std::string, std::vector<Tensor>> parts;
  for (const HostBatch& host : batches) {
    net->zero_grad();
    const Batch batch = to_device(host, kFloat64);
    net->loss(net->forward(batch.input()), batch.target(), LossKind::kAuto).backward();
    for (const auto& item : net->named_parameters()) {
      const Tensor& gradient = item.value().grad();
      parts[item.key()].push_back(gradient.defined() ? gradient.clone() : torch::zeros_like(item.value()));
    }
  }
  std::map<std::string, Tensor> sums;
  for (const auto& [name, part] : parts)
    sums[name] = ((part[0] + part[1]) + (part[2] + part[3])) / kMicroBatches;
  return sums;
}

template <class Net>
class Gradients : public testing::Test {};
using Nets =
    testing::Types<Recurrent, Recomputing, SometimesRecomputing, AuxiliaryBackward,
                   AuxiliaryBackwardOnAThread, ForgetsTheAuxiliary, OnlyAuxiliary, SetByHand,
                   SetByHandInBackward, GradientPenalty, WithHooks, HooksItselfLater, OddGradients, Tied>;
TYPED_TEST_SUITE(Gradients, Nets);

TYPED_TEST(Gradients, AreTheBitsOfPlainLibTorchsGrad) {
  TrainingState state(make<TypeParam>(), standing_still(), kFloat64);
  GradientPass pass(state, plan(), {});
  World world = world_of_one();
  const auto reducer = make_exact_reducer(
      world, {kMicroBatches, state.arena().contribution_count(), state.arena().values().options()});
  for (std::int64_t step = 1; step <= 3; ++step) {
    const MicroBatches batch = points(step * 20, kMicroBatches * kMicroBatch, kMicroBatch);
    const Tensor mean = whole_mean(*reducer, pass.run(Step(step), batch)).clone();
    const auto plain = plain_gradients<TypeParam>(batch);
    for (const ArenaEntry& entry : state.arena().trainable())
      EXPECT_TRUE(torch::equal(ModelArena::view(mean, entry), plain.at(entry.name)))
          << entry.name << " in step " << step;
  }
  EXPECT_GE(pass.computed(), 3 * kMicroBatches);
  EXPECT_LE(pass.computed(), 5 * kMicroBatches) << "what came late once is known for it";
}

TEST(GradientPassOfRecomputation, LearnsAsWithoutIt) {
  const MicroBatches batch = points(0, kMicroBatches * kMicroBatch, kMicroBatch);
  const auto with = plain_gradients<Recomputing>(batch);
  for (const auto& [name, gradient] : plain_gradients<Recurrent>(batch))
    EXPECT_TRUE(torch::allclose(with.at(name), gradient, 0, 1e-12)) << name;
}

std::string refusal_of(const std::shared_ptr<Model>& model) {
  try {
    TrainingState state(model, standing_still(), kFloat64);
    GradientPass pass(state, plan(), {});
    pass.run(Step(1), points(0, kMicroBatches * kMicroBatch, kMicroBatch));
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    return fault.fact();
  }
  return "nothing was refused";
}

struct SparseGradient : Recurrent {
  SparseGradient() {
    words = register_module("words", torch::nn::Embedding(torch::nn::EmbeddingOptions(4, 3).sparse(true)));
  }
  Tensor forward(Tensor x) override {
    return Recurrent::forward(x) + words(torch::ones({x.size(0)}, torch::kInt64));
  }
  torch::nn::Embedding words{nullptr};
};

TEST(GradientPass, RefusesASparseGradientByName) {
  EXPECT_EQ(refusal_of(make<SparseGradient>()),
            "the gradient of words.weight is sparse; gradients are summed as dense tensors");
}

struct OtherShape : Recurrent {
  Tensor forward(Tensor x) override {
    const Tensor out = Recurrent::forward(x.detach());
    unused.mutable_grad() = torch::ones({1}, x.options());
    return out;
  }
  Tensor unused = register_parameter("unused", torch::ones({3}));
};

TEST(GradientPass, RefusesAGradientOfAnotherShapeByName) {
  EXPECT_EQ(refusal_of(make<OtherShape>()), "the gradient of unused has shape [1], the parameter [3]");
}

struct Unfreezing : Recurrent {
  Unfreezing() { head->weight.set_requires_grad(false); }
  Tensor forward(Tensor x) override {
    head->weight.set_requires_grad(true);
    return Recurrent::forward(x);
  }
};

TEST(GradientPass, RefusesWhatIsThawedOnTheWayByName) {
  EXPECT_EQ(refusal_of(make<Unfreezing>()),
            "requires_grad of head.weight became true while the run was under way");
}

// A teacher that follows the student, as self-supervised models have it.
struct MovingAverage : Recurrent {
  MovingAverage() {
    teacher = register_parameter("teacher", head->weight.detach().clone(), /*requires_grad=*/false);
  }
  Tensor forward(Tensor x) override {
    const torch::NoGradGuard no_grad;
    teacher.mul_(0.9).add_(head->weight, 0.1);
    const torch::AutoGradMode with_grad(true);
    return Recurrent::forward(x);
  }
  Tensor teacher;
};

TEST(GradientPass, RefusesAParameterThatTheModelChangesByName) {
  EXPECT_EQ(refusal_of(make<MovingAverage>()), "parameter teacher was changed in place by the model");
}

struct Replaced : Recurrent {
  Tensor forward(Tensor x) override {
    head->bias.set_data(head->bias.detach().clone());
    return Recurrent::forward(x);
  }
};

TEST(GradientPass, RefusesAParameterWhoseMemoryIsReplacedByName) {
  EXPECT_EQ(refusal_of(make<Replaced>()), "the memory of head.bias was replaced while the run was under way");
}

struct Detached : Recurrent {
  Tensor loss(const Tensor& output, const Tensor& target, LossKind kind) override {
    return Model::loss(output, target, kind).detach();
  }
};

TEST(GradientPass, RefusesALossWithoutGradient) {
  EXPECT_EQ(refusal_of(make<Detached>()), "step 1: the loss depends on no trainable parameter of the model");
}

}  // namespace
}  // namespace lockstep
