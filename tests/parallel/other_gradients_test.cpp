// SPDX-License-Identifier: Apache-2.0
#include "parallel/other_gradients.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

torch::Tensor leaf(double value) {
  return torch::full({2}, value, torch::kFloat64).set_requires_grad(true);
}

OtherGradients::Tensors just(const torch::Tensor& parameter) {
  return {parameter.unsafeGetTensorImpl()};
}

TEST(OtherGradients, AreAsTheyWereAfterABackwardPassThroughThem) {
  const torch::Tensor own = leaf(2), full = leaf(3), empty = leaf(4);
  const torch::Tensor before = torch::ones({2}, torch::kFloat64);
  full.mutable_grad() = before;
  own.mutable_grad() = torch::ones({2}, torch::kFloat64);
  const torch::Tensor loss = (own * full * empty).sum();
  {
    const OtherGradients others(loss, just(own));
    EXPECT_FALSE(full.grad().defined());
    loss.backward();
    EXPECT_TRUE(full.grad().defined()) << "there was something to set aside";
  }
  EXPECT_EQ(full.grad().unsafeGetTensorImpl(), before.unsafeGetTensorImpl());
  EXPECT_TRUE(torch::equal(before, torch::ones({2}, torch::kFloat64)));
  EXPECT_FALSE(empty.grad().defined());
  EXPECT_TRUE(torch::equal(own.grad(), torch::full({2}, 13.0, torch::kFloat64))) << "own ones accumulate";
}

TEST(OtherGradients, ComeBackWhenTheBackwardPassThrows) {
  const torch::Tensor own = leaf(2), other = leaf(3);
  other.mutable_grad() = torch::ones({2}, torch::kFloat64);
  const torch::Tensor two = own * other;  // no scalar
  EXPECT_THROW(
      {
        const OtherGradients others(two, just(own));
        two.backward();
      },
      c10::Error);
  EXPECT_TRUE(torch::equal(other.grad(), torch::ones({2}, torch::kFloat64)));
}

TEST(OtherGradients, OfALossThatReachesNoneAreNone) {
  const torch::Tensor own = leaf(2), aside = leaf(3);
  aside.mutable_grad() = torch::ones({2}, torch::kFloat64);
  const torch::Tensor loss = own.sum();
  const OtherGradients others(loss, just(own));
  EXPECT_TRUE(aside.grad().defined());
}

}  // namespace
}  // namespace lockstep
