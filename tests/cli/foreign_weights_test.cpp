// SPDX-License-Identifier: Apache-2.0
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
    Items items = {{"lr", file.number(1e-2)},
                   {"betas", file.pair(0.9, 0.999)},
                   {"eps", file.number(1e-8)},
                   {"weight_decay", file.number(0.01)},
                   {"params", file.list(parameters)}};
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

}  // namespace
}  // namespace lockstep::testing
