// SPDX-License-Identifier: Apache-2.0
#include "parallel/model_check.h"
#include "train/checked_step.h"

#include <gmock/gmock.h>

#include "lockstep/base/error.h"
#include "points.h"
#include "train/gradient_pass.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kMicroBatch = 5;

// Dropout, running statistics and their integer count; what `calls` adds is state that nobody else sees.
struct Net : Model {
  explicit Net(std::function<torch::Tensor(int)> stray) : stray_(std::move(stray)) {
    a = register_module("a", torch::nn::Linear(6, 8));
    norm = register_module("norm", torch::nn::BatchNorm1d(8));
    b = register_module("b", torch::nn::Linear(8, 3));
  }
  torch::Tensor forward(torch::Tensor x) override {
    x = torch::dropout(norm->forward(a->forward(x.mul_(1.5))), 0.5, is_training());
    // Not added: the loss is the same for logits that are all shifted.
    return b->forward(torch::relu(x)) * (1 + stray_(++calls));
  }
  std::function<torch::Tensor(int)> stray_;
  int calls = 0;
  torch::nn::Linear a{nullptr}, b{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
};

torch::Tensor nothing(int) {
  return torch::zeros({1});
}

struct Step1 {
  explicit Step1(std::function<torch::Tensor(int)> stray, int micro_batches, bool checks)
      : net(std::make_shared<Net>(std::move(stray))),
        state(net, sgd(), {}),
        pass(state, plan(micro_batches), {.seed = 3}) {
    if (checks) pass.check_next();
    for (const PartialSum& sum : pass.run(Step(1), points(0, micro_batches * kMicroBatch, kMicroBatch)))
      sums.push_back(sum.flat.clone());
    generator = at::detail::getDefaultCPUGenerator().get_state();
    for (const StateTensor& tensor : state.tensors())
      bytes.insert(bytes.end(), tensor.bytes.begin(), tensor.bytes.end());
  }
  static OptimOptions sgd() {
    OptimOptions optim;
    optim.type = "sgd";
    optim.weight_decay = 0;
    return optim;
  }
  static TrainingPlan plan(int micro_batches) {
    TrainingPlan plan;
    plan.micro_batches = micro_batches;
    plan.mine = {0, micro_batches};
    plan.micro_batch = kMicroBatch;
    plan.global_batch = kMicroBatch * micro_batches;
    return plan;
  }
  std::shared_ptr<Net> net;
  TrainingState state;
  GradientPass pass;
  std::vector<torch::Tensor> sums;
  torch::Tensor generator;
  std::vector<std::byte> bytes;
};

TEST(ModelCheck, ChangesNoBitOfTheStepNorOfWhatComesAfter) {
  for (const int micro_batches : {1, 3, 4}) {
    torch::manual_seed(5);
    const Step1 checked(nothing, micro_batches, true);
    torch::manual_seed(5);
    const Step1 unchecked(nothing, micro_batches, false);
    EXPECT_GT(checked.net->calls, unchecked.net->calls) << "it was computed again";
    EXPECT_EQ(checked.pass.computed(), unchecked.pass.computed());
    ASSERT_EQ(checked.sums.size(), unchecked.sums.size());
    for (std::size_t i = 0; i < checked.sums.size(); ++i)
      EXPECT_TRUE(torch::equal(checked.sums[i], unchecked.sums[i]));
    EXPECT_TRUE(torch::equal(checked.generator, unchecked.generator));
    EXPECT_EQ(checked.bytes, unchecked.bytes);
  }
}

std::string refusal(std::function<torch::Tensor(int)> stray, int micro_batches) {
  torch::manual_seed(5);
  try {
    const Step1 step(std::move(stray), micro_batches, true);
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    return fault.what();
  }
  return "passed";
}

TEST(ModelCheck, FindsStateOfTheFirstSecondAndThirdCall) {
  for (const int micro_batches : {1, 2, 4}) {
    const auto counter = [](int calls) { return torch::full({1}, 0.1 * calls); };
    EXPECT_THAT(refusal(counter, micro_batches), HasSubstr("differs in the loss ("));
    EXPECT_THAT(refusal(counter, micro_batches), HasSubstr("the gradient of "));
    EXPECT_THAT(refusal([](int calls) { return torch::full({1}, calls == 1 ? 1.0 : 0.0); }, micro_batches),
                HasSubstr("micro-batch 0, computed once more, differs in"));
    EXPECT_THAT(refusal([](int calls) { return torch::full({1}, calls > 2 ? 1.0 : 0.0); }, micro_batches),
                HasSubstr("register_buffer"));
    EXPECT_THAT(refusal(
                    [](int calls) {
                      return torch::zeros({calls == 1 ? 1 : 7, 1, 3}).select(1, 0);
                    },
                    1),
                HasSubstr("throws"));
    EXPECT_EQ(refusal(nothing, micro_batches), "passed");
  }
}

TEST(ModelCheck, IsRememberedInTheOpenPart) {
  EXPECT_EQ(checked_step(extra_with_check(Step(7))), Step(7));
  EXPECT_EQ(extra_with_check(std::nullopt), "{}");
  for (const char* none : {"{}", R"({"other":1})", R"({"model_check":3})", R"({"model_check":{"step":"x"}})"})
    EXPECT_EQ(checked_step(none), std::nullopt) << none;
}

}  // namespace
}  // namespace lockstep
