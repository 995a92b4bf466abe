// SPDX-License-Identifier: Apache-2.0
#include "loop/loop_state.h"

#include <gmock/gmock.h>

#include <functional>

#include "comm/agree.h"
#include "comm/loopback/loopback_world.h"
#include "lockstep/base/error.h"
#include "lockstep/loop/data_parallel.h"
#include "lockstep/tensors/each_once.h"
#include "loop/refusal.h"
#include "loop/session_over.h"

namespace lockstep {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Net : torch::nn::Module {
  Net() {
    first = register_module("first", torch::nn::Linear(2, 3));
    second = register_module("second", torch::nn::Linear(3, 1));
    register_module("again", first);
  }
  torch::nn::Linear first{nullptr}, second{nullptr};
};

class LoopStateTest : public ::testing::Test {
 protected:
  LoopStateTest() : session_(session_over(world_of_one())), state_(session_->impl()) {}

  void add_net_and_adam() {
    state_.add(add_module(session_->impl(), "model", net_));
    state_.add(add_optimizer(session_->impl(), "optimizer", adam_));
  }
  void update(const std::vector<torch::Tensor>& parameters) {
    for (torch::Tensor parameter : net_.parameters()) parameter.mutable_grad().reset();
    for (torch::Tensor parameter : parameters) parameter.mutable_grad() = torch::ones_like(parameter);
    adam_.step();
  }
  std::vector<std::string> paths() const {
    std::vector<std::string> all;
    for (const auto& item : state_.persisted()) all.push_back(item.key.path());
    return all;
  }

  Net net_;
  torch::optim::Adam adam_{net_.second->parameters(), torch::optim::AdamOptions(0.1)};
  std::unique_ptr<Session> session_;
  LoopState state_;
};

TEST_F(LoopStateTest, KeepsEachTensorOnceUnderItsFirstName) {
  state_.add(add_module(session_->impl(), "model", net_));
  EXPECT_TRUE(state_.refresh());
  EXPECT_FALSE(state_.refresh()) << "nothing has another place";
  EXPECT_THAT(paths(), ElementsAre("model/first.weight", "model/first.bias", "model/second.weight",
                                   "model/second.bias"));
}

TEST_F(LoopStateTest, PutsAModuleOfAnotherNameBehindIt) {
  state_.add(add_module(session_->impl(), "teller", net_));
  state_.refresh();
  EXPECT_THAT(paths(), Contains("model/teller.second.bias"));
  EXPECT_THAT(state_.parameter_order(), Contains("teller.first.weight"));
}

TEST_F(LoopStateTest, RefusesANameTwiceAndAnEmptyOne) {
  torch::Tensor own = torch::ones({2});
  state_.add(add_tensor("own", own));
  EXPECT_THAT(refusal_of([&] { state_.add(add_tensor("own", own)); }), HasSubstr("'own' was added"));
  EXPECT_THAT(refusal_of([&] { state_.add(add_tensor("", own)); }), HasSubstr("or is empty"));
}

TEST_F(LoopStateTest, RefusesTwoThingsOfOnePlace) {
  Net other;
  other.first->register_buffer("x", torch::ones({1}));
  torch::nn::Module rest;
  rest.register_buffer("x", torch::ones({1}));
  state_.add(add_module(session_->impl(), "model", other));
  state_.add(add_module(session_->impl(), "first", rest));
  EXPECT_THAT(refusal_of([&] { state_.refresh(); }), HasSubstr("one place in the checkpoint: model/first.x"));
}

TEST_F(LoopStateTest, WantsTheModuleOfEveryOptimizer) {
  state_.add(add_optimizer(session_->impl(), "optimizer", adam_));
  EXPECT_THAT(refusal_of([&] { state_.require_complete(); }), HasSubstr("belongs to no module"));
  state_.add(add_module(session_->impl(), "model", net_));
  EXPECT_NO_THROW(state_.require_complete());
  torch::optim::SGD sgd(each_once(net_.parameters()), 0.1);
  state_.add(add_optimizer(session_->impl(), "another", sgd));
  EXPECT_THAT(refusal_of([&] { state_.require_complete(); }),
              HasSubstr("another has parameter second.weight, which another optimizer has too"));
}

TEST_F(LoopStateTest, SaysTheStepOnceWhileItIsThatOfAllParameters) {
  add_net_and_adam();
  state_.refresh();
  EXPECT_THAT(paths(), Not(Contains(HasSubstr("step")))) << "nothing was updated yet";
  update(net_.second->parameters());
  EXPECT_TRUE(state_.refresh()) << "an optimizer's state begins with its first update";
  EXPECT_THAT(paths(),
              AllOf(Contains("optimizer/exp_avg/second.weight"), Contains("optimizer/step/all_parameters"),
                    Not(Contains("optimizer/step/second.weight"))));
  update({net_.second->bias});
  state_.refresh();
  EXPECT_THAT(paths(), AllOf(Contains("optimizer/step/second.weight"), Contains("optimizer/step/second.bias"),
                             Not(Contains("optimizer/step/all_parameters"))));
}

TEST_F(LoopStateTest, NamesTheSteadyTensorThatWasChangedSinceACopyBegan) {
  DataParallel parallel(*session_, net_);
  add_net_and_adam();
  torch::Tensor own = torch::ones({2});
  state_.add(add_tensor("own", own));
  state_.refresh();
  state_.note_versions();
  EXPECT_EQ(state_.changed_since(), "");
  own.add_(1);
  EXPECT_EQ(state_.changed_since(), "") << "what is no parameter was copied at once";
  {
    const torch::NoGradGuard no_grad;
    net_.second->weight.mul_(2);
  }
  EXPECT_EQ(state_.changed_since(), "model/second.weight");
  state_.note_versions();
  EXPECT_EQ(state_.changed_since(), "");
}

TEST_F(LoopStateTest, DescribesWhatWasAddedInItsOrder) {
  add_net_and_adam();
  std::string text = "x";
  state_.add(add_text("words", text));
  EXPECT_EQ(state_.description(), "model: module\noptimizer: optimizer adam\nwords: text\n");
}

TEST(LoopStates, OfSeveralRanksMustHoldTheSame) {
  for (const bool alike : {true, false})
    run_loopback(WorldSize(3), [&](World& world) {
      const int rank = world.rank().value;
      const auto session = session_over(std::move(world));
      LoopState state(session->impl());
      torch::Tensor own = torch::full({2}, alike || rank < 2 ? 1.0 : 7.0);
      state.add(add_tensor("own", own));
      state.refresh();
      if (alike) {
        EXPECT_NO_THROW(state.require_alike(session->world()));
        return;
      }
      try {
        state.require_alike(session->world());
        FAIL() << "they differ";
      } catch (const AgreedFault& fault) {
        EXPECT_EQ(fault.code(), ExitCode::kBug);
        EXPECT_THAT(fault.what(), HasSubstr("loop/own is not the same on rank 2 as on rank 0"));
      }
    });
}

TEST(LoopStates, WithAThingMoreOnOneRankNameIt) {
  run_loopback(WorldSize(2), [](World& world) {
    const int rank = world.rank().value;
    const auto session = session_over(std::move(world));
    LoopState state(session->impl());
    torch::Tensor own = torch::ones({2}), more = torch::ones({2});
    state.add(add_tensor("own", own));
    if (rank == 0) state.add(add_tensor("more", more));
    state.refresh();
    try {
      state.require_alike(session->world());
      FAIL() << "they differ";
    } catch (const AgreedFault& fault) {
      EXPECT_THAT(fault.what(), HasSubstr("loop/more is not the same on rank 1"));
    }
  });
}

}  // namespace
}  // namespace lockstep
