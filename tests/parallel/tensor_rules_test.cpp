// SPDX-License-Identifier: Apache-2.0
#include "parallel/tensor_rules.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

std::string refusal_of(const torch::nn::Module& model) {
  try {
    require_ordinary_tensors(model);
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    return fault.fact();
  }
  return "nothing was refused";
}

struct Net : torch::nn::Module {
  torch::nn::Linear a = register_module("a", torch::nn::Linear(2, 2));
  torch::nn::Linear b = register_module("b", torch::nn::Linear(2, 2));
};

TEST(TensorRules, TakeTiedParametersAndPartsOfOneBlock) {
  Net net;
  net.register_parameter("same", net.a->weight);
  const torch::Tensor block = torch::zeros({8});
  net.register_parameter("low", block.narrow(0, 0, 4).detach());
  net.register_parameter("high", block.narrow(0, 4, 4).detach());
  net.register_buffer("none", torch::zeros({0}));
  EXPECT_EQ(refusal_of(net), "nothing was refused");
}

TEST(TensorRules, RefuseComplexAndIntegerParametersByName) {
  Net net;
  net.register_parameter("phase", torch::zeros({2}, torch::kComplexFloat));
  EXPECT_EQ(refusal_of(net), "parameter phase is ComplexFloat; parameters are real floating-point numbers");
  Net other;
  other.register_parameter("count", torch::zeros({2}, torch::kInt64), /*requires_grad=*/false);
  EXPECT_EQ(refusal_of(other), "parameter count is Long; parameters are real floating-point numbers");
  Net third;
  third.register_buffer("rotation", torch::zeros({2}, torch::kComplexFloat));
  EXPECT_EQ(refusal_of(third), "buffer rotation is complex");
}

TEST(TensorRules, RefuseWhatHasNoSums) {
  const torch::Tensor tiny = torch::ones({2}).to(torch::kFloat8_e4m3fn);
  Net net;
  net.register_parameter("tiny", tiny);
  EXPECT_EQ(refusal_of(net), "parameter tiny is Float8_e4m3fn, which has no sums");
  Net other;
  other.register_buffer("tiny", tiny);
  EXPECT_EQ(refusal_of(other), "buffer tiny is Float8_e4m3fn, which has no sums");
  Net frozen;
  frozen.register_parameter("tiny", tiny, /*requires_grad=*/false);
  EXPECT_EQ(refusal_of(frozen), "parameter tiny is Float8_e4m3fn, which has no sums");
}

TEST(TensorRules, RefuseTwoTensorsOverOneMemory) {
  Net net;
  net.b->weight.set_data(net.a->weight.detach());
  EXPECT_EQ(refusal_of(net), "a.weight and b.weight are two tensors over the same memory");
}

TEST(TensorRules, RefuseOneTensorInTwoRoles) {
  Net net;
  net.register_buffer("average", net.a->weight);
  EXPECT_EQ(refusal_of(net), "average is a parameter and a buffer");
}

TEST(TensorRules, RefuseAParameterThatIsComputed) {
  Net net;
  net.register_parameter("twice", net.a->weight * 2);
  EXPECT_EQ(refusal_of(net), "parameter twice is computed from other tensors, so it cannot be trained");
}

}  // namespace
}  // namespace lockstep
