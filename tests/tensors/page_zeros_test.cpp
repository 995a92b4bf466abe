// SPDX-License-Identifier: Apache-2.0
#include "tensors/page_zeros.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "base/aligned_block.h"

namespace lockstep {
namespace {

std::size_t place_of(const torch::Tensor& tensor) {
  return reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % kDirectAlignment;
}

TEST(PageZeros, BeginOnAPageInEveryDtype) {
  for (const auto dtype : {torch::kFloat16, torch::kFloat32, torch::kFloat64})
    for (const std::int64_t count : {1, 4095, 100'000}) {
      const torch::Tensor zeros = zeros_from_a_page_on(count, torch::dtype(dtype));
      EXPECT_EQ(place_of(zeros), 0u);
      EXPECT_EQ(zeros.scalar_type(), dtype);
      EXPECT_TRUE(torch::equal(zeros, torch::zeros({count}, dtype)));
    }
}

TEST(PageZeros, LetTheirMemoryGoWhenTheyAreGivenAnother) {
  torch::Tensor zeros = zeros_from_a_page_on(1000, torch::kFloat32);
  const c10::Storage memory = zeros.storage();
  zeros.set_data(torch::ones({1000}));
  EXPECT_EQ(memory.use_count(), 1u);
}

TEST(PageZeros, LieAsFarIntoTheirPageAsWhatTheyStandBeside) {
  const torch::Tensor pages = zeros_from_a_page_on(10'000, torch::dtype(torch::kFloat64)).fill_(1);
  for (const std::int64_t first : {0, 1, 511, 512, 1000}) {
    const torch::Tensor flat = pages.narrow(0, first, 5'000).requires_grad_();
    const torch::Tensor zeros = zeros_placed_like(flat);
    EXPECT_EQ(place_of(zeros), static_cast<std::size_t>(first) * 8 % kDirectAlignment);
    EXPECT_FALSE(zeros.requires_grad());
    EXPECT_TRUE(torch::equal(zeros, torch::zeros({5'000}, torch::kFloat64)));
  }
}

}  // namespace
}  // namespace lockstep
