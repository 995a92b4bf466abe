// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <filesystem>

#include "cli/binary.h"
#include "exchange/python_file.h"

namespace lockstep::testing {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Items = std::vector<std::pair<std::string, PyValue*>>;

// Files of Python's for the model of run.yaml: 16 inputs, 8 hidden, 4 outputs.
class ForeignWeightsCommand : public Binary {
 protected:
  static Items state(PythonFile& file, const std::string& prefix = "") {
    return {{prefix + "layers.0.weight", file.tensor({8, 16}, -0.5F)},
            {prefix + "layers.0.bias", file.tensor({8}, 0.25F)},
            {prefix + "layers.1.weight", file.tensor({4, 8}, 1)},
            {prefix + "layers.1.bias", file.tensor({4}, 2)}};
  }
  void save(const std::string& name, const Items& items, PythonFile& file) const {
    write_file(dir_ / name, file.written(*file.dict(items)));
  }
  ProcessResult eval(const std::string& weights, std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {"eval", "-c", "run.yaml", "--weights", weights, "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return lockstep(words);
  }
  ProcessResult import(const std::string& file, const std::string& to,
                       std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {"ckpt", "import", file, "-c", "run.yaml", "-o", to};
    words.insert(words.end(), more.begin(), more.end());
    return lockstep(words);
  }

  // AdamW's state after `steps`, of the parameters in the order of `items`.
  static PyValue* adam(PythonFile& file, const std::vector<Shape>& shapes, double steps,
                       const std::vector<PyValue*>& groups) {
    std::vector<PyValue*> states;
    for (std::size_t i = 0; i < shapes.size(); ++i)
      states.push_back(file.dict({{"step", file.number(steps)},
                                  {"exp_avg", file.tensor(shapes[i], static_cast<float>(100 * i))},
                                  {"exp_avg_sq", file.tensor(shapes[i], static_cast<float>(1000 * i))}}));
    return file.dict({{"state", file.numbered(states)}, {"param_groups", file.list(groups)}});
  }
  static PyValue* group(PythonFile& file, std::vector<int> numbers, const Items& more = {}) {
    std::vector<PyValue*> parameters;
    for (const int number : numbers) parameters.push_back(file.integer(number));
    Items items = {{"lr", file.number(1e-2)},      {"betas", file.pair(0.9, 0.999)},
                   {"eps", file.number(1e-8)},     {"weight_decay", file.number(0.01)},
                   {"amsgrad", file.truth(false)}, {"params", file.list(parameters)}};
    for (const auto& item : more)
      std::erase_if(items, [&](const auto& has) { return has.first == item.first; });
    items.insert(items.end(), more.begin(), more.end());
    return file.dict(items);
  }
  static const std::vector<Shape>& shapes() {
    static const std::vector<Shape> all = {{8, 16}, {8}, {4, 8}, {4}};
    return all;
  }
};

TEST_F(ForeignWeightsCommand, WrappersComeOffByThemselvesAndOthersByName) {
  PythonFile plain;
  save("plain.pth", state(plain), plain);
  const ProcessResult expected = eval("plain.pth");
  ASSERT_EQ(expected.code, 0) << expected.err;
  for (const std::string prefix : {"module.", "_orig_mod.", "module._orig_mod.", "model.", "net."}) {
    PythonFile file;
    save("w.pth", state(file, prefix), file);
    if (prefix != "net.") {
      EXPECT_EQ(eval("w.pth").out, expected.out) << prefix;
      continue;
    }
    const ProcessResult refused = eval("w.pth");
    EXPECT_EQ(refused.code, 78);
    EXPECT_THAT(refused.err, HasSubstr("--strip net."));
    EXPECT_EQ(eval("w.pth", {"--strip", "net."}).out, expected.out);
    EXPECT_EQ(eval("w.pth", {"--rename", "net.="}).out, expected.out);
    EXPECT_EQ(eval("w.pth", {"model.weights_strip=[net.]"}).out, expected.out);
    EXPECT_EQ(eval("w.pth", {"model.weights_rename=[net.layers=layers]"}).out, expected.out);
    train({"model.weights=w.pth", "model.weights_strip=[net.]", "run.dir=stripped"});
    EXPECT_EQ(lockstep({"ckpt", "import", "w.pth", "-o", "w.h5", "--strip", "net."}).code, 0);
    EXPECT_EQ(eval("w.h5").out, expected.out);
  }
}

TEST_F(ForeignWeightsCommand, AWeightThatIsNoNumberIsNamedWhereItMakesTheLossSo) {
  PythonFile file;
  Items items = state(file);
  items[1].second = file.tensor_of({8}, {0, 0, std::nanf(""), 0, 0, 0, 0, 0});
  save("w.pth", items, file);
  const ProcessResult result = eval("w.pth");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("the loss of the validation data is nan: parameter layers.0.bias is not "
                                    "finite (value 2 of 8 is nan)"));
}

TEST_F(ForeignWeightsCommand, TheRemedyOfSkippingWorksWhereItIsPrinted) {
  PythonFile file;
  Items items = state(file);
  items.pop_back();
  save("w.pth", items, file);
  const ProcessResult refused = eval("w.pth");
  EXPECT_EQ(refused.code, 78);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("layers.1.bias"), HasSubstr("model.weights_skip")));
  EXPECT_EQ(eval("w.pth", {"model.weights_skip=[layers.1.bias]"}).code, 0);
  const ProcessResult alone = lockstep({"train", "-c", "run.yaml", "model.weights_skip=[layers.1.bias]"});
  EXPECT_EQ(alone.code, 78);
  EXPECT_THAT(alone.err, HasSubstr("has no effect without model.weights"));
  const ProcessResult misspelt = lockstep(
      {"train", "-c", "run.yaml", "model.weights=w.pth", "model.weights_skip=[layers.1.bias, haed.*]"});
  EXPECT_EQ(misspelt.code, 78);
  EXPECT_THAT(misspelt.err, HasSubstr("haed.* names no tensor of the model or of the file"));
}

TEST_F(ForeignWeightsCommand, WeightsMayBeARunItsFolderOrACheckpoint) {
  train();
  const std::string expected = eval("runs/small/ckpt/step-00000012").out;
  ASSERT_FALSE(expected.empty());
  for (const char* place : {"runs/small", "runs/small/", "runs/small/ckpt", "runs/small/ckpt/step-00000012/",
                            "runs/small/ckpt/step-00000012/manifest.json", "runs/small/ckpt/latest",
                            "runs/small/ckpt/step-00000012/checkpoint.h5"})
    EXPECT_EQ(eval(place).out, expected) << place;
  std::filesystem::create_directories(dir_ / "else");
  const ProcessResult refused = eval("else");
  EXPECT_EQ(refused.code, 65);
  EXPECT_THAT(refused.err, HasSubstr("a folder with no checkpoint in it"));
  EXPECT_EQ(eval("gone").code, 66);
}

TEST_F(ForeignWeightsCommand, LightningsLayoutGoesOnAtItsGlobalStep) {
  PythonFile file;
  PyValue* optimizer = adam(file, shapes(), 5, {group(file, {0, 1, 2, 3})});
  save("l.ckpt",
       {{"epoch", file.integer(3)},
        {"global_step", file.integer(5)},
        {"state_dict", file.dict(state(file, "model."))},
        {"optimizer_states", file.list({optimizer})}},
       file);
  const ProcessResult made = import("l.ckpt", "imported", {"--json"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(json::parse(made.out)["step"], 5);
  // Without a step its epoch may be complete or not.
  save("e.ckpt",
       {{"epoch", file.integer(0)},
        {"state_dict", file.dict(state(file, "model."))},
        {"optimizer_states", file.list({optimizer})}},
       file);
  EXPECT_EQ(import("e.ckpt", "x").code, 65);
  const ProcessResult complete = import("e.ckpt", "complete", {"--json", "--epoch-key", "epoch"});
  ASSERT_EQ(complete.code, 0) << complete.err;
  EXPECT_EQ(json::parse(complete.out)["step"], 8);
  save("two.ckpt",
       {{"global_step", file.integer(5)},
        {"state_dict", file.dict(state(file))},
        {"optimizer_states", file.list({optimizer, optimizer})}},
       file);
  const ProcessResult two = import("two.ckpt", "x");
  EXPECT_EQ(two.code, 65);
  EXPECT_THAT(two.err, HasSubstr("2 optimizers"));
}

TEST_F(ForeignWeightsCommand, NanoGptsTwoGroupsAreTheMatricesAndTheOthers) {
  PythonFile file;
  const std::vector<Shape> in_groups = {{8, 16}, {4, 8}, {8}, {4}};
  PyValue* optimizer = adam(file, in_groups, 5,
                            {group(file, {0, 1}, {{"weight_decay", file.number(0.1)}}), group(file, {2, 3})});
  const Items items = {{"iter_num", file.integer(5)},
                       {"model_args", file.dict({{"n_layer", file.integer(2)}})},
                       {"model", file.dict(state(file, "_orig_mod."))},
                       {"optimizer", optimizer}};
  save("nano.pt", items, file);
  const ProcessResult made = import("nano.pt", "imported");
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.out, AllOf(HasSubstr("step 5"), HasSubstr("weight decay of group 0: 0.1 in the file")));
  // Of another loop nobody knows what its groups are.
  save("other.pt", {items[0], items[2], items[3]}, file);
  const ProcessResult refused = import("other.pt", "x");
  EXPECT_EQ(refused.code, 78);
  EXPECT_THAT(refused.err, HasSubstr("2 parameter groups"));
}

TEST_F(ForeignWeightsCommand, StepAndEpochAreReadAsNumbersOfEveryKind) {
  PythonFile file;
  PyValue* optimizer = adam(file, shapes(), 8, {group(file, {0, 1, 2, 3})});
  const auto step_of = [&](const std::string& key, PyValue* value, std::vector<std::string> more = {}) {
    save("c.pth", {{key, value}, {"model", file.dict(state(file))}, {"optimizer", optimizer}}, file);
    more.push_back("--json");
    const ProcessResult made = import("c.pth", "made", more);
    return made.code == 0 ? json::parse(made.out)["step"].get<int>() : -made.code;
  };
  EXPECT_EQ(step_of("epoch", file.integer(0)), 8);
  EXPECT_EQ(step_of("epoch", file.number(0.0)), 8);
  EXPECT_EQ(step_of("epoch", file.tensor_of({}, {1})), 16);
  EXPECT_EQ(step_of("step", file.number(7.0)), 7);
  EXPECT_EQ(step_of("iter_num", file.tensor_of({1}, {5})), 5);
  EXPECT_EQ(step_of("global_step", file.integer(5)), 5);
  EXPECT_EQ(step_of("updates", file.integer(6), {"--step-key", "updates"}), 6);
  EXPECT_EQ(step_of("updates", file.integer(6)), -65);
  EXPECT_EQ(step_of("step", file.number(7.5)), -65) << "never another place in silence";
  EXPECT_EQ(step_of("step", file.integer(7), {"--step-key", "updates"}), -65);
}

TEST_F(ForeignWeightsCommand, AnImportTakesThePlaceOfAnImportAndOfNothingElse) {
  PythonFile file;
  PyValue* optimizer = adam(file, shapes(), 5, {group(file, {0, 1, 2, 3})});
  save("c.pth", {{"step", file.integer(5)}, {"model", file.dict(state(file))}, {"optimizer", optimizer}},
       file);
  ASSERT_EQ(import("c.pth", "made").code, 0);
  save("c.pth", {{"step", file.integer(6)}, {"model", file.dict(state(file))}, {"optimizer", optimizer}},
       file);
  const ProcessResult again = import("c.pth", "made");
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("takes the place of an earlier import"));
  EXPECT_THAT(lockstep({"ckpt", "show", "made"}).out, HasSubstr("step        6\n"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "made.old"));
  train();
  const std::string own = "runs/small/ckpt/step-00000012";
  const ProcessResult refused = import("c.pth", own);
  EXPECT_EQ(refused.code, 64);
  EXPECT_EQ(lockstep({"ckpt", "verify", own}).code, 0);
  std::filesystem::create_directory(dir_ / "folder");
  EXPECT_EQ(import("c.pth", "folder").code, 64);
}

TEST_F(ForeignWeightsCommand, AStepThatIsNotTheOptimizersCountIsSaid) {
  PythonFile file;
  save("c.pth",
       {{"step", file.integer(20)},
        {"model", file.dict(state(file))},
        {"optimizer", adam(file, shapes(), 5, {group(file, {0, 1, 2, 3})})}},
       file);
  const ProcessResult made = import("c.pth", "made");
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("updates: 5 in the file's optimizer; its step is 20"));
}

TEST_F(ForeignWeightsCommand, OptionsOfTheFileThatTheConfigHasOtherwiseAreSaid) {
  PythonFile file;
  const auto made_with = [&](const Items& options) {
    save("c.pth",
         {{"step", file.integer(5)},
          {"model", file.dict(state(file))},
          {"optimizer", adam(file, shapes(), 5, {group(file, {0, 1, 2, 3}, options)})}},
         file);
    std::filesystem::remove_all(dir_ / "made");
    return import("c.pth", "made");
  };
  EXPECT_THAT(made_with({}).out, ::testing::Not(HasSubstr("which counts")));
  const std::string said = made_with({{"betas", file.pair(0.5, 0.6)},
                                      {"eps", file.number(1e-3)},
                                      {"weight_decay", file.number(0.3)},
                                      {"lr", file.number(0.5)}})
                               .out;
  EXPECT_THAT(
      said, AllOf(HasSubstr("betas: [0.5, 0.6] in the file, [0.9, 0.999] in the config"),
                  HasSubstr("eps: 0.001"), HasSubstr("weight decay: 0.3"), HasSubstr("learning rate: 0.5")));
  EXPECT_EQ(made_with({{"amsgrad", file.truth(false)}, {"maximize", file.truth(false)}}).code, 0);
  for (const char* option : {"amsgrad", "maximize"}) {
    const ProcessResult refused = made_with({{option, file.truth(true)}});
    EXPECT_EQ(refused.code, 78);
    EXPECT_THAT(refused.err, HasSubstr(option));
  }
}

// RAdam keeps exp_avg, exp_avg_sq and step like Adam, and Muon a momentum_buffer like SGD.
TEST_F(ForeignWeightsCommand, AnOptimizerThatKeepsTheSameStateIsToldByItsOptions) {
  PythonFile file;
  const auto common = [&](Items more) {
    more.push_back({"lr", file.number(1e-2)});
    more.push_back({"weight_decay", file.number(0)});
    more.push_back(
        {"params", file.list({file.integer(0), file.integer(1), file.integer(2), file.integer(3)})});
    return file.dict(more);
  };
  const auto save_with = [&](PyValue* optimizer) {
    save("c.pth", {{"step", file.integer(5)}, {"model", file.dict(state(file))}, {"optimizer", optimizer}},
         file);
  };
  save_with(adam(file, shapes(), 5,
                 {common({{"betas", file.pair(0.9, 0.999)},
                          {"eps", file.number(1e-8)},
                          {"maximize", file.truth(false)},
                          {"decoupled_weight_decay", file.truth(false)}})}));
  for (const char* type : {"optim.type=adam", "optim.type=adamw"})
    expect_refused(import("c.pth", "made", {type}), 78,
                   {"state of Adam", "amsgrad", "RAdam", "model.weights"});

  std::vector<PyValue*> states;
  for (const Shape& shape : shapes())
    states.push_back(file.dict({{"momentum_buffer", file.tensor(shape, 0)}}));
  const auto momentum = [&](Items more) {
    more.push_back({"momentum", file.number(0.9)});
    more.push_back({"nesterov", file.truth(false)});
    return file.dict({{"state", file.numbered(states)}, {"param_groups", file.list({common(more)})}});
  };
  const std::vector<std::string> sgd = {"optim.type=sgd", "optim.momentum=0.9"};
  save_with(momentum({{"ns_steps", file.integer(5)}}));
  expect_refused(import("c.pth", "made", sgd), 78, {"state of SGD", "dampening", "Muon", "model.weights"});
  save_with(momentum({{"dampening", file.integer(0)}}));
  EXPECT_EQ(import("c.pth", "made", sgd).code, 0);
}

TEST_F(ForeignWeightsCommand, AGradScalersStateGoesOnInFp16) {
  PythonFile file;
  const auto made_with = [&](const Items& more, std::vector<std::string> overrides) {
    Items items = {{"step", file.integer(5)},
                   {"model", file.dict(state(file))},
                   {"optimizer", adam(file, shapes(), 5, {group(file, {0, 1, 2, 3})})}};
    items.insert(items.end(), more.begin(), more.end());
    save("c.pth", items, file);
    return import("c.pth", "made", std::move(overrides));
  };
  const std::vector<std::string> fp16 = {"train.precision=fp16"};
  const auto scaler = [&](double scale, std::int64_t interval) {
    return file.dict({{"scale", file.number(scale)},
                      {"growth_factor", file.number(2)},
                      {"backoff_factor", file.number(0.5)},
                      {"growth_interval", file.integer(interval)},
                      {"_growth_tracker", file.integer(17)}});
  };
  // Under whatever key: torch's recipe, Lightning's.
  for (const char* key : {"scaler_state_dict", "scaler", "MixedPrecision"}) {
    const ProcessResult made = made_with({{key, scaler(1024, 2000)}}, fp16);
    ASSERT_EQ(made.code, 0) << made.err;
    EXPECT_THAT(made.out,
                AllOf(HasSubstr("the loss scale goes on at 1024, with 17 steps"), HasSubstr(key),
                      ::testing::Not(HasSubstr("left out")), ::testing::Not(HasSubstr("which counts"))));
    const json extra = json::parse(read_file(dir_ / "made/manifest.json"))["extra"];
    EXPECT_EQ(extra["loss_scaler"], (json{{"scale", 1024}, {"good_steps", 17}, {"overflows", 0}})) << extra;
  }
  EXPECT_THAT(
      made_with({{"scaler", scaler(1024, 500)}}, fp16).out,
      HasSubstr("growth_interval of the loss scale: 500 in the file, 2000 in Lockstep, which counts"));
  // One that was switched off, and none.
  for (const Items& none : {Items{{"scaler", file.dict({})}}, Items{}})
    EXPECT_THAT(made_with(none, fp16).out,
                HasSubstr("loss scale: none in the file, so that it starts anew at 65536"));
  const ProcessResult full = made_with({{"scaler", scaler(1024, 2000)}}, {});
  EXPECT_THAT(full.out, AllOf(HasSubstr("left out: scaler"), ::testing::Not(HasSubstr("loss scale"))));
  expect_refused(made_with({{"scaler", scaler(-1, 2000)}}, fp16), 65, {"scale", "no positive number"});
  expect_refused(made_with({{"g", scaler(1, 2000)}, {"d", scaler(2, 2000)}}, fp16), 65, {"2 GradScalers"});
}

}  // namespace
}  // namespace lockstep::testing
