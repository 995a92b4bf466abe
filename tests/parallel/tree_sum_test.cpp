// SPDX-License-Identifier: Apache-2.0
#include "parallel/tree_sum.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "lockstep/base/error.h"
#include "parallel/ownership.h"

namespace lockstep {
namespace {

torch::Tensor sum_of(MicroBatchRun node, const std::vector<torch::Tensor>& leaves) {
  if (node.count == 1) return leaves[static_cast<std::size_t>(node.first)];
  return sum_of(left_child(node), leaves) + sum_of(right_child(node), leaves);
}

// Of what W ranks hold, a stretch of it.
template <class Number>
void expect_the_mean(int micro_batches, int ranks) {
  constexpr std::int64_t kValues = 1000, kFirst = 7, kCount = 900;
  const auto dtype = torch::CppTypeToScalarType<Number>::value;
  std::vector<torch::Tensor> leaves, sums;
  for (int leaf = 0; leaf < micro_batches; ++leaf)
    leaves.push_back(torch::randn({kValues}, dtype) * (leaf % 3 + 0.1));
  std::vector<MicroBatchRun> nodes;
  std::vector<const Number*> terms;
  for (int rank = 0; rank < ranks; ++rank)
    for (const MicroBatchRun node :
         complete_subtrees(run_of(Rank(rank), WorldSize(ranks), micro_batches), micro_batches)) {
      nodes.push_back(node);
      sums.push_back(sum_of(node, leaves).contiguous());
    }
  for (const torch::Tensor& sum : sums) terms.push_back(sum.const_data_ptr<Number>() + kFirst);
  const TreeSum tree(nodes, {0, micro_batches});
  std::vector<Number> scratch(static_cast<std::size_t>(tree.scratch_count()));
  std::vector<Number> mean(kCount);
  write_mean(tree.mean(terms, kCount, scratch.data()), kCount, mean.data());
  const torch::Tensor expected =
      (sum_of({0, micro_batches}, leaves) / micro_batches).narrow(0, kFirst, kCount).contiguous();
  const torch::Tensor found = torch::from_blob(mean.data(), {kCount}, dtype);
  EXPECT_TRUE(torch::equal(found, expected)) << micro_batches << " micro-batches, " << ranks << " ranks";
}

TEST(TreeSum, HasTheBitsOfTheDocumentedTreeWhoeverHoldsWhat) {
  torch::manual_seed(3);
  for (const int micro_batches : {1, 2, 3, 5, 6, 7, 8, 12, 13})
    for (int ranks = 1; ranks <= std::min(micro_batches, 6); ++ranks) {
      expect_the_mean<float>(micro_batches, ranks);
      expect_the_mean<double>(micro_batches, ranks);
    }
}

TEST(TreeSum, OfOneMicroBatchIsWhereItLies) {
  const TreeSum tree({{0, 1}}, {0, 1});
  const std::vector<float> values = {1, 2, 3};
  const PendingMean<float> mean = tree.mean<float>({values.data()}, 2, nullptr);
  EXPECT_EQ(mean.left, values.data());
  EXPECT_EQ(mean.right, nullptr);
  EXPECT_EQ(mean.factor, 1);
}

TEST(TreeSum, MakesItsLastAdditionOverEitherSum) {
  for (const bool over_left : {true, false}) {
    std::vector<float> left = {1, 2, 3}, right = {0.5, 0.25, 1};
    std::vector<float>& into = over_left ? left : right;
    write_mean<float>({left.data(), right.data(), 0.5f}, 3, into.data());
    EXPECT_EQ(into, (std::vector<float>{0.75f, 1.125f, 2.0f}));
  }
}

TEST(TreeSum, OfANodeIsTheSumOfItsPartsAlone) {
  const TreeSum tree({{4, 1}, {0, 4}, {5, 1}}, {4, 2});
  const std::vector<float> left = {1, 2}, right = {0.5, 0.25};
  std::vector<float> scratch(static_cast<std::size_t>(tree.scratch_count()));
  std::vector<float> sum(2);
  write_mean(tree.sum<float>({left.data(), nullptr, right.data()}, 2, scratch.data()), 2, sum.data());
  EXPECT_EQ(sum[0], 1.5f);
  EXPECT_EQ(sum[1], 2.25f);
}

TEST(TreeSum, RefusesSumsThatAreNotTheWholeTree) {
  EXPECT_THROW(TreeSum({{0, 2}}, {0, 3}), Bug);
}

}  // namespace
}  // namespace lockstep
