// SPDX-License-Identifier: Apache-2.0
// A run that goes on with a program that is otherwise than the one that wrote the checkpoint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <functional>

#include "lockstep/loop/checkpoints.h"
#include "lockstep/loop/data_parallel.h"
#include "lockstep/tensors/each_once.h"
#include "loop/refusal.h"
#include "loop/session_over.h"
#include "support/scratch_folder.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using torch::optim::SGDOptions;

struct Net : torch::nn::Module {
  Net() {
    torch::manual_seed(5);
    first = register_module("first", torch::nn::Linear(3, 4));
    last = register_module("last", torch::nn::Linear(4, 1));
  }
  void backward() {
    zero_grad();
    last(torch::tanh(first(torch::ones({2, 3})))).square().mean().backward();
  }
  torch::nn::Linear first{nullptr}, last{nullptr};
};

using Add = std::function<void(Checkpoints&)>;
using Work = std::function<void(std::int64_t step)>;

class OtherProgram : public ::testing::Test {
 protected:
  // A life of the run, of steps up to `until`. Where it began.
  std::int64_t live(
      const Add& add, std::int64_t until, const Work& work = [](std::int64_t) {}) {
    Checkpoints saves(scratch_ / "run", {.steps = 9, .every_steps = 1, .every_minutes = 0, .beside = false});
    add(saves);
    const std::int64_t first = saves.resume();
    for (std::int64_t step = first; step < until; ++step) {
      work(step);
      EXPECT_EQ(saves.after(step), Stop::kNo);
    }
    return first;
  }
  std::string warnings_of(const Add& add) {
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(live(add, 2), 2);
    return ::testing::internal::GetCapturedStderr();
  }

  ScratchFolder scratch_;
};

torch::optim::OptimizerParamGroup late_group(Net& net) {
  return {net.last->parameters(), std::make_unique<SGDOptions>(SGDOptions(0.5).momentum(0.9))};
}

TEST_F(OtherProgram, OfFewerGroupsIsRefusedAndGoesOnWithAllOfThem) {
  Net net;
  torch::optim::SGD sgd(net.first->parameters(), SGDOptions(0.1).momentum(0.9));
  const auto add = [&](Checkpoints& saves) { saves.add("model", net).add("sgd", sgd); };
  live(add, 3, [&](std::int64_t step) {
    if (step == 1) sgd.add_param_group(late_group(net));
    net.backward();
    sgd.step();
  });
  Net again;
  torch::optim::SGD fewer(again.first->parameters(), SGDOptions(0.1).momentum(0.9));
  const auto add_again = [&](Checkpoints& saves) { saves.add("model", again).add("sgd", fewer); };
  EXPECT_THAT(
      refusal_of([&] { live(add_again, 3); }),
      AllOf(HasSubstr("sgd has 2 param_groups in the checkpoint and 1 in the program: group 1 has lr 0.5 "
                      "and last.weight, last.bias"),
            HasSubstr("add_param_group")));
  fewer.add_param_group(late_group(again));
  EXPECT_EQ(live(add_again, 3), 3);
  for (auto* one : {&net, &again}) one->backward();
  sgd.step();
  fewer.step();
  for (std::size_t i = 0; i < net.parameters().size(); ++i)
    EXPECT_TRUE(torch::equal(net.parameters()[i], again.parameters()[i])) << i;
}

TEST_F(OtherProgram, ThatTakesLessIsToldWhatIsLeft) {
  Net net;
  torch::optim::Adam adam(net.parameters(), 0.1);
  torch::Tensor old = torch::ones({2});
  live([&](Checkpoints& saves) { saves.add("model", net).add("adam", adam).add("old", old); }, 2,
       [&](std::int64_t) {
         net.backward();
         adam.step();
       });
  EXPECT_THAT(warnings_of([&](Checkpoints& saves) { saves.add("model", net).add("adam", adam); }),
              HasSubstr("warning: the checkpoint has extra/loop/old, which nothing that was added takes"));
  EXPECT_THAT(warnings_of([&](Checkpoints& saves) { saves.add("model", net).add("old", old); }),
              HasSubstr("warning: the checkpoint has extra/loop/adam, optimizer/exp_avg/first.bias"));
  EXPECT_THAT(
      warnings_of([&](Checkpoints& saves) { saves.add("model", net).add("adam", adam).add("old", old); }),
      Not(HasSubstr("warning")));
}

TEST_F(OtherProgram, WithOtherOptionsIsToldThem) {
  using torch::optim::RMSpropOptions;
  Net net, other;
  torch::optim::SGD sgd(net.parameters(), SGDOptions(0.1).momentum(0.9));
  torch::optim::RMSprop rms(other.parameters(), RMSpropOptions(0.1));
  const auto add = [&](Checkpoints& saves) {
    saves.add("model", net).add("other", other).add("sgd", sgd).add("rms", rms);
  };
  live(add, 2, [&](std::int64_t step) {
    for (auto* one : {&net, &other}) one->backward();
    if (step == 1) static_cast<SGDOptions&>(sgd.param_groups()[0].options()).weight_decay(0.25);
    if (step == 1) static_cast<RMSpropOptions&>(rms.param_groups()[0].options()).alpha(0.5);
    sgd.step();
    rms.step();
  });
  EXPECT_THAT(warnings_of(add), Not(HasSubstr("warning")));
  static_cast<SGDOptions&>(sgd.param_groups()[0].options()).weight_decay(0).lr(7);
  static_cast<RMSpropOptions&>(rms.param_groups()[0].options()).alpha(0.99);
  EXPECT_THAT(warnings_of(add),
              AllOf(HasSubstr("weight_decay of sgd: 0.25 in the checkpoint, 0 in the program, which counts"),
                    HasSubstr("alpha of rms: 0.5 in the checkpoint, 0.99 in the program, which counts")));
  EXPECT_EQ(sgd.param_groups()[0].options().get_lr(), 0.1) << "that is the checkpoint's";
}

TEST_F(OtherProgram, WithOtherOptionsOfTheOptimizerInsideIsToldThem) {
  const auto life = [&](const AdamW& wanted, std::int64_t until) {
    const auto session = serial_session();
    Net net;
    DataParallel parallel(*session, net);
    parallel.optimize_with(wanted);
    Checkpoints saves(*session, scratch_ / "run", {.steps = 9, .every_steps = 1, .beside = false});
    saves.add("model", net).add("adam", parallel);
    for (std::int64_t step = saves.resume(); step < until; ++step) {
      parallel.update(step, [&](MicroBatch) { return net.last(net.first(torch::ones({2, 3}))).mean(); });
      parallel.set_lr(1e-3 * static_cast<double>(step + 1));
      EXPECT_EQ(saves.after(step), Stop::kNo);
    }
  };
  life({.groups = {{.match = {"*.bias"}, .lr = 1e-4}}}, 3);
  ::testing::internal::CaptureStderr();
  life({.groups = {{.match = {"*.bias"}, .lr = 1e-4}}}, 3);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), Not(HasSubstr("warning")));
  ::testing::internal::CaptureStderr();
  life({.clip = 1, .groups = {{.match = {"*.bias"}, .lr = 2e-4}}}, 3);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("clip of adam, group 0: 0 in the checkpoint, 1 in the program"),
                    HasSubstr("lr of adam, group 1: 0.0003")));
}

TEST_F(OtherProgram, WithAnotherKindOfNumberIsRefusedByName) {
  std::int64_t count = 5'000'000'000;
  double best = 0.1;
  live([&](Checkpoints& saves) { saves.add("count", count).add("best", best); }, 2);
  double real = 0;
  std::int32_t narrow = 0;
  float coarse = 0;
  std::string text;
  torch::Tensor tensor = torch::zeros({});
  EXPECT_THAT(refusal_of([&] { live([&](Checkpoints& saves) { saves.add("count", real); }, 2); }),
              HasSubstr("'count' is a tensor Long [] in the checkpoint and a floating-point number in the "
                        "program"));
  EXPECT_THAT(refusal_of([&] { live([&](Checkpoints& saves) { saves.add("count", narrow); }, 2); }),
              HasSubstr("'count' has a value in the checkpoint that the program's number cannot hold"));
  EXPECT_THAT(refusal_of([&] { live([&](Checkpoints& saves) { saves.add("best", coarse); }, 2); }),
              HasSubstr("'best' has a value in the checkpoint"));
  EXPECT_THAT(refusal_of([&] { live([&](Checkpoints& saves) { saves.add("best", text); }, 2); }),
              HasSubstr("'best' is a tensor Double [] in the checkpoint and a text in the program"));
  live([&](Checkpoints& saves) { saves.add("count", tensor); }, 2);
  EXPECT_EQ(tensor.item<std::int64_t>(), count) << "a tensor may be anything";
}

TEST_F(OtherProgram, FillsTensorsThatAreNotWrittenElementByElement) {
  torch::Tensor expanded = torch::full({1, 4}, 3.0).expand({3, 4});
  torch::Tensor grown = torch::ones({2}).set_requires_grad(true);
  live([&](Checkpoints& saves) { saves.add("expanded", expanded).add("grown", grown); }, 2,
       [&](std::int64_t) { grown = torch::full({5}, 2.0).set_requires_grad(true); });
  expanded = torch::zeros({1, 4}).expand({3, 4});
  grown = torch::zeros({2}).set_requires_grad(true);
  live([&](Checkpoints& saves) { saves.add("expanded", expanded).add("grown", grown); }, 2);
  EXPECT_TRUE(torch::equal(expanded, torch::full({3, 4}, 3.0)));
  EXPECT_TRUE(torch::equal(grown, torch::full({5}, 2.0)));
  EXPECT_TRUE(grown.requires_grad());
}

TEST_F(OtherProgram, AddsNoTensorThatACheckpointCannotHold) {
  const auto refusal = [&](torch::Tensor tensor) {
    return refusal_of([&] { live([&](Checkpoints& saves) { saves.add("odd", tensor); }, 1); });
  };
  EXPECT_THAT(refusal({}), HasSubstr("tensor 'odd' is undefined"));
  EXPECT_THAT(refusal(torch::ones({2}, torch::kComplexFloat)),
              AllOf(HasSubstr("tensor 'odd' is ComplexFloat"), HasSubstr("view_as_real")));
  EXPECT_THAT(refusal(torch::ones({2}).to(torch::kUInt16)), HasSubstr("tensor 'odd' is UInt16"));
  EXPECT_THAT(refusal(torch::ones({2}).to_sparse()), HasSubstr("tensor 'odd' is not dense"));
  torch::Tensor becomes_odd = torch::ones({2});
  EXPECT_THAT(refusal_of([&] {
                live([&](Checkpoints& saves) { saves.add("odd", becomes_odd); }, 1,
                     [&](std::int64_t) { becomes_odd = torch::ones({2}, torch::kComplexFloat); });
              }),
              HasSubstr("tensor 'odd' is ComplexFloat"));
}

struct Layer : torch::nn::Module {
  explicit Layer(const torch::Tensor& tensor) { weight = register_parameter("weight", tensor); }
  torch::Tensor weight;
};

struct Tied : torch::nn::Module {
  Tied() {
    in = register_module("in", std::make_shared<Layer>(torch::ones({2})));
    out = register_module("out", std::make_shared<Layer>(in->weight));
  }
  std::shared_ptr<Layer> in, out;
};

TEST_F(OtherProgram, ThatListsTiedWeightsTwiceIsRefusedAndGoesOnWithEachOnce) {
  Tied net;
  torch::optim::SGD twice(net.parameters(), SGDOptions(0.25).momentum(0.5));
  net.in->weight.mutable_grad() = torch::ones({2});
  twice.step();
  EXPECT_LT(net.in->weight[0].item<float>(), 0.75F) << "LibTorch updates it twice in a step";
  EXPECT_THAT(
      refusal_of([&] { live([&](Checkpoints& saves) { saves.add("model", net).add("sgd", twice); }, 1); }),
      AllOf(HasSubstr("sgd lists one tensor more than once"), HasSubstr("(in.weight, out.weight)"),
            HasSubstr("each_once(net->parameters())")));
  torch::optim::SGD once(each_once(net.parameters()), SGDOptions(0.25).momentum(0.5));
  live([&](Checkpoints& saves) { saves.add("model", net).add("sgd", once); }, 2,
       [&](std::int64_t) { once.step(); });
  Tied again;
  torch::optim::SGD resumed(each_once(again.parameters()), SGDOptions(0.25).momentum(0.5));
  EXPECT_EQ(live([&](Checkpoints& saves) { saves.add("model", again).add("sgd", resumed); }, 2), 2);
  again.in->weight.mutable_grad() = torch::ones({2});
  once.step();
  resumed.step();
  EXPECT_TRUE(torch::equal(net.in->weight, again.out->weight));
}

}  // namespace
}  // namespace lockstep
