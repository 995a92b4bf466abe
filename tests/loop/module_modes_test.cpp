// SPDX-License-Identifier: Apache-2.0
#include "loop/module_modes.h"

#include <gmock/gmock.h>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Block : torch::nn::Module {
  Block() {
    linear = register_module("linear", torch::nn::Linear(2, 2));
    norm = register_module("norm", torch::nn::BatchNorm1d(2));
  }
  torch::nn::Linear linear{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
};

struct Net : torch::nn::Module {
  Net() {
    first = register_module("first", std::make_shared<Block>());
    second = register_module("second", std::make_shared<Block>());
  }
  void train(bool on) override {
    Module::train(on);
    ++calls;
    if (overrides) second->norm->eval();
    if (throws && on) throw std::runtime_error("no");
  }
  std::shared_ptr<Block> first, second;
  int calls = 0;
  bool overrides = false, throws = false;
};

TEST(EvalMode, PutsBackTheModeOfEachModule) {
  const auto net = std::make_shared<Net>();
  net->first->norm->eval();
  net->second->eval();
  net->second->linear->train();
  const auto before = modules_in_eval(*net);
  EXPECT_THAT(before, ElementsAre("first.norm", "second", "second.norm"));
  {
    const EvalMode eval(*net);
    EXPECT_EQ(modules_in_eval(*net).size(), 7u);
  }
  EXPECT_EQ(modules_in_eval(*net), before);
  try {
    const EvalMode eval(*net);
    throw std::runtime_error("a metric failed");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(modules_in_eval(*net), before);
}

TEST(EvalMode, OfAModelThatIsInEvalModeLeavesItThere) {
  const auto net = std::make_shared<Net>();
  net->eval();
  net->first->train();
  const auto before = modules_in_eval(*net);
  { const EvalMode eval(*net); }
  EXPECT_EQ(modules_in_eval(*net), before);
}

TEST(EvalMode, GivesAModuleMadeMeanwhileTheModeOfTheModel) {
  const auto net = std::make_shared<Net>();
  net->first->norm->eval();
  {
    const EvalMode eval(*net);
    net->register_module("late", torch::nn::Dropout())->eval();
  }
  EXPECT_THAT(modules_in_eval(*net), ElementsAre("first.norm"));
}

TEST(EvalMode, DoesNotEndTheProcessWhenTrainThrows) {
  const auto net = std::make_shared<Net>();
  net->throws = true;
  EXPECT_NO_THROW({ const EvalMode eval(*net); });
}

TEST(Modes, AModelThatOverridesTrainHasItsSayBeforeTheFirstStep) {
  const auto net = std::make_shared<Net>();
  net->overrides = true;
  net->first->norm->eval();
  settle_modes(*net);
  EXPECT_EQ(net->calls, 1);
  EXPECT_THAT(modules_in_eval(*net), ElementsAre("first.norm", "second.norm"));
  { const EvalMode eval(*net); }
  EXPECT_THAT(modules_in_eval(*net), ElementsAre("first.norm", "second.norm"));
}

TEST(Modes, SettleAsTheyAreWithoutAnybodysWish) {
  const auto net = std::make_shared<Net>();
  settle_modes(*net);
  EXPECT_THAT(modules_in_eval(*net), IsEmpty());
  net->eval();
  settle_modes(*net);
  EXPECT_EQ(modules_in_eval(*net).size(), 7u) << "eval mode of all of it is its owner's";
}

TEST(Modes, AreRestoredByName) {
  const auto net = std::make_shared<Net>();
  net->first->norm->eval();
  for (const std::vector<std::string>& names : {std::vector<std::string>{},
                                                {"", "second.norm"},
                                                {"second"},
                                                {"first", "first.linear", "first.norm"}}) {
    restore_modes(*net, names);
    EXPECT_EQ(modules_in_eval(*net), names);
  }
}

TEST(Modes, OfASharedModuleAreOne) {
  const auto net = std::make_shared<Net>();
  net->register_module("again", net->first->norm);
  net->first->norm->eval();
  EXPECT_THAT(modules_in_eval(*net), ElementsAre("first.norm", "again"));
  { const EvalMode eval(*net); }
  EXPECT_THAT(modules_in_eval(*net), ElementsAre("first.norm", "again"));
  restore_modes(*net, {"again"});
  EXPECT_FALSE(net->first->norm->is_training());
  EXPECT_TRUE(net->first->is_training());
}

TEST(Modes, RefuseNamesTheModelHasNot) {
  const auto net = std::make_shared<Net>();
  try {
    restore_modes(*net, {"first.norm", "third.norm"});
    FAIL() << "restored";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    EXPECT_NE(std::string(fault.what()).find("third.norm"), std::string::npos);
  }
  EXPECT_THAT(modules_in_eval(*net), IsEmpty());
}

}  // namespace
}  // namespace lockstep
