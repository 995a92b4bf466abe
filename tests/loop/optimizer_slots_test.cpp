// SPDX-License-Identifier: Apache-2.0
#include "loop/optimizer_slots.h"

#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <vector>

#include "lockstep/base/error.h"
#include "loop/refusal.h"

namespace lockstep {
namespace {

namespace optim = torch::optim;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

using Make = std::function<std::unique_ptr<optim::Optimizer>(std::vector<torch::Tensor>)>;

template <class Optimizer, class Options>
Make maker(Options options) {
  return [options](std::vector<torch::Tensor> parameters) {
    return std::make_unique<Optimizer>(std::move(parameters), options);
  };
}

torch::Tensor weights() {
  return torch::arange(1, 5, torch::kFloat64).set_requires_grad(true);
}

void update(optim::Optimizer& optimizer, torch::Tensor& parameter, int times, double gradient = 0.3) {
  for (int i = 0; i < times; ++i) {
    parameter.mutable_grad() = torch::full_like(parameter, gradient * (i + 1)).detach();
    optimizer.step();
  }
}

std::vector<std::string> names_of(const OptimizerSlots& slots) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : slots.tensors) names.push_back(name);
  return names;
}

// Three updates, the state put into a fresh optimizer, two more: as five in one go.
void expect_round_trip(const std::string& type, const Make& make, const std::vector<std::string>& names) {
  SCOPED_TRACE(type);
  torch::Tensor whole = weights(), first = weights();
  const auto one = make({whole});
  EXPECT_EQ(type_of(*one), type);
  EXPECT_TRUE(slots_of(*one, whole).tensors.empty()) << "it was never updated";
  update(*one, whole, 3);
  update(*one, whole, 2);
  const auto before = make({first});
  update(*before, first, 3);
  OptimizerSlots slots = slots_of(*before, first);
  EXPECT_THAT(names_of(slots), ElementsAreArray(names));
  EXPECT_EQ(slots.step.value_or(3), 3);
  torch::Tensor second = first.detach().clone().set_requires_grad(true);
  for (auto& [name, tensor] : slots.tensors) tensor = tensor.clone();
  const auto after = make({second});
  set_slots(*after, second, slots);
  update(*after, second, 2);
  EXPECT_TRUE(torch::equal(whole, second));
  set_slots(*after, second, {});
  EXPECT_TRUE(slots_of(*after, second).tensors.empty());
}

TEST(OptimizerSlots, GoIntoAnotherOptimizerAsTheyWere) {
  expect_round_trip("adamw", maker<optim::AdamW>(optim::AdamWOptions(0.1)), {"exp_avg", "exp_avg_sq"});
  expect_round_trip("adam", maker<optim::Adam>(optim::AdamOptions(0.1).amsgrad(true)),
                    {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"});
  expect_round_trip("sgd", maker<optim::SGD>(optim::SGDOptions(0.1)), {});
  expect_round_trip("sgd", maker<optim::SGD>(optim::SGDOptions(0.1).momentum(0.9)), {"momentum_buffer"});
  expect_round_trip("rmsprop", maker<optim::RMSprop>(optim::RMSpropOptions(0.1).momentum(0.5).centered(true)),
                    {"grad_avg", "momentum_buffer", "square_avg"});
}

// It has a state from its constructor on.
TEST(OptimizerSlots, OfAdagradAreThereBeforeTheFirstUpdate) {
  torch::Tensor parameter = weights(), again = weights();
  optim::Adagrad first({parameter}, optim::AdagradOptions(0.1)), second({again}, optim::AdagradOptions(0.1));
  EXPECT_THAT(names_of(slots_of(first, parameter)), ElementsAreArray({"sum"}));
  update(first, parameter, 3);
  {
    const torch::NoGradGuard no_grad;
    again.copy_(parameter);
  }
  OptimizerSlots slots = slots_of(first, parameter);
  slots.tensors["sum"] = slots.tensors["sum"].clone();
  set_slots(second, again, slots);
  update(first, parameter, 2);
  update(second, again, 2);
  EXPECT_TRUE(torch::equal(parameter, again));
}

TEST(OptimizerSlots, OfAnotherKindAreRefusedByName) {
  torch::Tensor parameter = weights();
  optim::SGD sgd({parameter}, optim::SGDOptions(0.1).momentum(0.9));
  optim::Adam adam({parameter}, optim::AdamOptions(0.1));
  const OptimizerSlots momentum = {{{"momentum_buffer", torch::ones({4})}}, std::nullopt};
  const OptimizerSlots moments = {{{"exp_avg", torch::ones({4})}, {"exp_avg_sq", torch::ones({4})}}, 2};
  EXPECT_THAT(refusal_of([&] { set_slots(adam, parameter, momentum); }), HasSubstr("has no exp_avg"));
  EXPECT_THAT(refusal_of([&] { set_slots(sgd, parameter, moments); }),
              HasSubstr("optimizer state exp_avg, which sgd has not"));
  EXPECT_TRUE(slots_of(adam, parameter).tensors.empty()) << "nothing is left of what was refused";
}

TEST(OptimizerSlots, OfAnOptimizerWithoutNamesAreRefused) {
  torch::Tensor parameter = weights();
  optim::LBFGS optimizer({parameter});
  EXPECT_THAT(refusal_of([&] { type_of(optimizer); }), HasSubstr("cannot be named"));
}

TEST(Schedules, GoOnFromTheirCount) {
  torch::Tensor parameter = weights();
  optim::SGD optimizer({parameter}, optim::SGDOptions(1.0));
  optim::StepLR schedule(optimizer, 4, 0.5);
  for (int i = 0; i < 3; ++i) schedule.step();
  EXPECT_EQ(step_count(schedule), 3u + step_count(optim::StepLR(optimizer, 4, 0.5)));
  optim::SGD another({parameter}, optim::SGDOptions(1.0));
  optim::StepLR resumed(another, 4, 0.5);
  set_step_count(resumed, step_count(schedule));
  for (int i = 0; i < 5; ++i) {
    schedule.step();
    resumed.step();
    EXPECT_EQ(optimizer.param_groups()[0].options().get_lr(), another.param_groups()[0].options().get_lr());
  }
  EXPECT_LT(another.param_groups()[0].options().get_lr(), 1.0);
}

}  // namespace
}  // namespace lockstep
