// SPDX-License-Identifier: Apache-2.0
// An update in parts, each with its own piece of the gradient, is the update of the whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <chrono>
#include <random>
#include <thread>

#include "lockstep/base/error.h"
#include "lockstep/optim/optimizer.h"
#include "optim/optimizer.h"

namespace lockstep {
namespace {

constexpr std::int64_t kEnd = 100'003;
constexpr int kSteps = 6;
const ParameterOffsets kOffsets = {0, 64, 64, 5000, 5016, 40'000, 90'000};
const ParameterGroups kGroups = {kNoGroup, 0, kNoGroup, 0, 1, 1, kNoGroup};

struct Case {
  std::string name;
  OptimOptions options;

  friend void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }
};

class UpdateInParts : public testing::TestWithParam<Case> {
 protected:
  static torch::Tensor drawn(int seed, torch::Dtype dtype) {
    torch::manual_seed(seed);
    return torch::randn({kEnd}, torch::kFloat64).to(dtype);
  }
  // Of parameter 3 no step is reached, of the others most.
  static std::vector<char> reached(int step) {
    std::vector<char> mask(kOffsets.size(), 1);
    mask[3] = 0;
    mask[static_cast<std::size_t>(step) % mask.size()] = 0;
    return mask;
  }
  static std::unique_ptr<FlatOptimizer> optimizer(const torch::Tensor& parameters) {
    return FlatOptimizer::make(GetParam().options, parameters, {kOffsets, kGroups});
  }
};

struct Stretch {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

std::vector<Stretch> cut(std::mt19937& dice) {
  std::vector<Stretch> parts;
  for (std::int64_t first = 0; first < kEnd;) {
    const std::int64_t count = std::min<std::int64_t>(1 + dice() % (dice() % 3 ? 9000 : 20), kEnd - first);
    parts.push_back({first, count});
    first += count;
  }
  std::shuffle(parts.begin(), parts.end(), dice);
  return parts;
}

void expect_equal(FlatOptimizer& one, FlatOptimizer& other) {
  EXPECT_EQ(one.steps(), other.steps());
  const auto mine = one.slots(), theirs = other.slots();
  for (std::size_t i = 0; i < mine.size(); ++i)
    EXPECT_TRUE(torch::equal(mine[i].flat, theirs[i].flat)) << mine[i].name;
}

TEST_P(UpdateInParts, GivesTheBitsOfTheWholeInAnyCutAndOrder) {
  std::mt19937 dice(5);
  for (const torch::Dtype dtype : {torch::kFloat32, torch::kFloat64}) {
    const torch::Tensor whole = drawn(1, dtype), parts = whole.clone();
    const auto at_once = optimizer(whole), in_parts = optimizer(parts);
    ASSERT_TRUE(in_parts->updates_in_parts());
    for (int step = 1; step <= kSteps; ++step) {
      const torch::Tensor gradients = drawn(100 + step, dtype);
      at_once->update(gradients, 0.1 / step, reached(step));
      in_parts->begin_update(0.1 / step, reached(step));
      for (const auto& [first, count] : cut(dice)) {
        const torch::Tensor own = gradients.narrow(0, first, count).clone();
        AT_DISPATCH_FLOATING_TYPES(dtype, "part", [&, at = first, length = count] {
          in_parts->update_part(at, length, PendingMean<scalar_t>{own.const_data_ptr<scalar_t>()});
        });
      }
      ASSERT_TRUE(torch::equal(whole, parts)) << "step " << step;
    }
    expect_equal(*at_once, *in_parts);
  }
}

TEST_P(UpdateInParts, MakesTheLastAdditionOfAMeanAndScalesIt) {
  const torch::Tensor whole = drawn(7, torch::kFloat32), parts = whole.clone();
  const auto at_once = optimizer(whole), in_parts = optimizer(parts);
  for (int step = 1; step <= kSteps; ++step) {
    const torch::Tensor left = drawn(400 + step, torch::kFloat32), right = drawn(500 + step, torch::kFloat32);
    const double scale = step % 2 ? 0.3 : 1;
    at_once->update((left + right) * 0.5f * static_cast<float>(scale), 0.1, reached(step));
    in_parts->begin_update(0.1, reached(step), scale);
    in_parts->update_part(
        0, kEnd, PendingMean<float>{left.const_data_ptr<float>(), right.const_data_ptr<float>(), 0.5f});
    ASSERT_TRUE(torch::equal(whole, parts)) << "step " << step;
  }
  expect_equal(*at_once, *in_parts);
}

// As a rank has that updates some of it.
TEST_P(UpdateInParts, OfKeptElementsAreThoseOfTheWholeAndLeaveTheOthersAlone) {
  const std::vector<Slice> kept = {{30, 4990}, {5010, 39'000}, {kEnd - 17, kEnd}};
  const torch::Tensor whole = drawn(8, torch::kFloat32), mine = whole.clone(), before = whole.clone();
  const auto of_all = optimizer(whole), of_some = optimizer(mine);
  of_some->keep_parts(kept);
  for (int step = 1; step <= kSteps; ++step) {
    const torch::Tensor gradients = drawn(600 + step, torch::kFloat32);
    of_all->update(gradients, 0.1, reached(step));
    of_some->update(gradients, 0.1, reached(step));
  }
  EXPECT_EQ(of_some->steps(), of_all->steps());
  torch::Tensor others = torch::ones({kEnd}, torch::kBool);
  std::int64_t begin = 0;
  for (const Slice& part : kept) {
    const auto of = [&](const torch::Tensor& flat) { return flat.narrow(0, part.begin, part.count()); };
    EXPECT_TRUE(torch::equal(of(mine), of(whole)));
    for (std::size_t i = 0; i < of_all->slots().size(); ++i)
      EXPECT_TRUE(
          torch::equal(of_some->slots()[i].flat.narrow(0, begin, part.count()), of(of_all->slots()[i].flat)));
    begin += part.count();
    of(others).fill_(false);
  }
  for (const OptimizerSlot& slot : of_some->slots()) EXPECT_EQ(slot.flat.numel(), begin);
  EXPECT_TRUE(torch::equal(mine.masked_select(others), before.masked_select(others)));
}

TEST_P(UpdateInParts, GivesTheBitsOfTheWholeFromSeveralThreads) {
  const torch::Tensor whole = drawn(2, torch::kFloat32), parts = whole.clone();
  const auto at_once = optimizer(whole), in_parts = optimizer(parts);
  std::mt19937 dice(6);
  for (int step = 1; step <= kSteps; ++step) {
    const torch::Tensor gradients = drawn(200 + step, torch::kFloat32);
    at_once->update(gradients, 0.1, reached(step));
    in_parts->begin_update(0.1, reached(step));
    const std::vector<Stretch> all = cut(dice);
    const auto work = [&](std::size_t mine) {
      for (std::size_t i = mine; i < all.size(); i += 3)
        in_parts->update_part(all[i].first, all[i].count,
                              PendingMean<float>{gradients.const_data_ptr<float>()}.from(all[i].first));
    };
    std::vector<std::jthread> threads;
    for (std::size_t mine = 0; mine < 3; ++mine) threads.emplace_back(work, mine);
  }
  EXPECT_TRUE(torch::equal(whole, parts));
  expect_equal(*at_once, *in_parts);
}

TEST_P(UpdateInParts, DoesNotDependOnTheNumberOfThreads) {
  const torch::Tensor one = drawn(3, torch::kFloat32), four = one.clone();
  const auto alone = optimizer(one), shared = optimizer(four);
  const int before = torch::get_num_threads();
  for (int step = 1; step <= kSteps; ++step) {
    const torch::Tensor gradients = drawn(300 + step, torch::kFloat32);
    torch::set_num_threads(1);
    alone->update(gradients, 0.1, reached(step));
    torch::set_num_threads(4);
    shared->update(gradients, 0.1, reached(step));
  }
  torch::set_num_threads(before);
  EXPECT_TRUE(torch::equal(one, four));
  expect_equal(*alone, *shared);
}

TEST_P(UpdateInParts, LeavesSkippedParametersAlone) {
  const torch::Tensor parameters = drawn(4, torch::kFloat32), before = parameters.clone();
  const auto in_parts = optimizer(parameters);
  torch::Tensor gradients = drawn(5, torch::kFloat32);
  gradients.narrow(0, kOffsets[3], kOffsets[4] - kOffsets[3]).fill_(std::nan(""));
  in_parts->begin_update(0.1, {1, 1, 1, 0, 1, 1, 1});
  in_parts->update_part(0, kEnd, PendingMean<float>{gradients.const_data_ptr<float>()});
  const torch::Tensor changed = parameters.ne(before);
  EXPECT_EQ(changed.narrow(0, kOffsets[3], 16).sum().item<std::int64_t>(), 0);
  EXPECT_GT(changed.sum().item<std::int64_t>(), kEnd - 100);
  EXPECT_FALSE(torch::isnan(parameters).any().item<bool>());
  EXPECT_THAT(in_parts->steps(), testing::ElementsAre(1, 1, 1, 0, 1, 1, 1));
}

OptimOptions grouped(OptimOptions options) {
  options.lr = 0.01;
  options.weight_decay = 0.1;
  options.groups = {{.match = {"a"}, .weight_decay = 0.0}, {.match = {"b"}, .lr = 4e-3}};
  return options;
}

INSTANTIATE_TEST_SUITE_P(Of, UpdateInParts,
                         testing::Values(Case{"sgd", grouped({.type = "sgd"})},
                                         Case{"momentum", grouped({.type = "sgd", .momentum = 0.9})},
                                         Case{"adam", grouped({.type = "adam"})},
                                         Case{"adamw", grouped({.type = "adamw"})}),
                         [](const auto& info) { return info.param.name; });

TEST(FlatOptimizerParts, OutsideTheParametersAreRefused) {
  const torch::Tensor parameters = torch::zeros({8}), gradients = torch::ones({8});
  const auto optimizer = FlatOptimizer::make({}, parameters);
  optimizer->begin_update(0.1, {1});
  const PendingMean<float> mean{gradients.const_data_ptr<float>()};
  EXPECT_THROW(optimizer->update_part(4, 5, mean), Bug);
  EXPECT_THROW(optimizer->update_part(-1, 2, mean), Bug);
  EXPECT_EQ(parameters.abs().sum().item<float>(), 0);
}

TEST(FlatOptimizerParts, OfAnotherDtypeAreRefused) {
  const torch::Tensor parameters = torch::zeros({8}), gradients = torch::ones({8}, torch::kFloat64);
  const auto optimizer = FlatOptimizer::make({}, parameters);
  optimizer->begin_update(0.1, {1});
  EXPECT_THROW(optimizer->update_part(0, 4, PendingMean<double>{gradients.const_data_ptr<double>()}), Bug);
}

TEST(FlatOptimizerParts, AreNotOfferedForAnUpdateOfTheProgramsOwn) {
  OptimOptions options;
  options.type = "mine";
  auto own = std::make_shared<Optimizer>();
  own->update = [](const ParameterUpdate&) {};
  options.own = own;
  const auto optimizer = FlatOptimizer::make(options, torch::zeros({8}), {{0}, {}, {{8}}});
  EXPECT_FALSE(optimizer->updates_in_parts());
  EXPECT_THROW(optimizer->begin_update(0.1, {1}), Bug);
  EXPECT_THAT(optimizer->steps(), testing::ElementsAre(0));
}

}  // namespace
}  // namespace lockstep
