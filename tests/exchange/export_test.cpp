// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "exchange/export.h"
#include "exchange/formats/json_value.h"
#include "exchange/formats/optimizer_state.h"
#include "exchange/import_weights.h"
#include "exchange/python_files.h"
#include "named/open_weights.h"
#include "shelf/fixture.h"
#include "support/faulty_disk.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

// A saved checkpoint of every dtype, and where exports of it go.
class Export : public ::testing::Test {
 protected:
  void SetUp() override {
    owned_.state.record.config = {{"optim.type", "adamw"},     {"optim.betas", "[0.9,0.95]"},
                                  {"optim.eps", "1e-08"},      {"optim.weight_decay", "0.25"},
                                  {"schedule.type", "cosine"}, {"optim.lr", "0.002"},
                                  {"model.type", "mlp"}};
    owned_.state.record.parameter_order = {"layers.0.weight", "layers.0.bias"};
    owned_.state.tensors.push_back(
        {{{"exp_avg", "layers.0.bias"}, DType::kFloat32, {128}}, owned_.state.tensors[1].bytes});
    owned_.state.tensors.push_back(
        {{{"step", "all_parameters"}, DType::kFloat32, {}}, std::as_bytes(std::span(steps_))});
  }

  std::unique_ptr<CheckpointReader> saved() {
    CheckpointStore(scratch_ / "ckpt", {}, real_disk(), EventLog().sink()).save(owned_.state, false);
    return CheckpointReader::open(real_disk(), scratch_ / "ckpt/step-00000025");
  }

  void expect_model(const std::map<std::string, Bytes>& found, const std::string& prefix = "") {
    std::size_t count = 0;
    for (const StateTensor& tensor : owned_.state.tensors) {
      if (!tensor.key.in_model()) continue;
      ++count;
      ASSERT_TRUE(found.contains(prefix + tensor.key.name)) << tensor.key.name;
      EXPECT_TRUE(std::ranges::equal(found.at(prefix + tensor.key.name), tensor.bytes)) << tensor.key.name;
    }
    EXPECT_GE(found.size(), count);
  }

  ScratchFolder scratch_;
  OwnedState owned_{25};
  std::array<float, 1> steps_ = {25.0F};
};

TEST_F(Export, WeightsOnlyPthHoldsTheModelBitForBit) {
  const ExportReport report =
      export_checkpoint(real_disk(), *saved(), scratch_ / "w.pth", {ExportFormat::kPth, true, 0});
  const auto file = open_foreign_file(scratch_ / "w.pth");
  const auto found = contents_of(*file);
  EXPECT_EQ(found.size(), report.tensors);
  expect_model(found);
  EXPECT_EQ(file->root().items[0]->text, "layers.0.weight") << "as Python lists them";
  EXPECT_FALSE(fs::exists(scratch_ / "w.pth.part"));
}

TEST_F(Export, FullPthHoldsTorchOptimsOwnForm) {
  export_checkpoint(real_disk(), *saved(), scratch_ / "full.pth", {ExportFormat::kPth, false, 0});
  const auto file = open_foreign_file(scratch_ / "full.pth");
  expect_model(contents_of(*file), "model_state_dict.");
  const auto json = json_of(file->root());
  EXPECT_EQ(json["epoch"], 1) << "25 steps of 10 an epoch: epochs 0 and 1 are complete";
  EXPECT_EQ(json["step"], 25);
  EXPECT_EQ(json["loss"], owned_.state.record.loss);
  EXPECT_EQ(json["metadata"]["nested"]["list"][1], 2.5);
  const auto& group = json["optimizer_state_dict"]["param_groups"][0];
  std::vector<std::string> keys;
  for (const auto& [key, value] : group.items()) keys.push_back(key);
  EXPECT_THAT(keys, ::testing::ElementsAre("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize",
                                           "foreach", "capturable", "differentiable", "fused",
                                           "decoupled_weight_decay", "initial_lr", "params"));
  EXPECT_EQ(group["lr"], owned_.state.record.lr);
  EXPECT_EQ(group["betas"], (nlohmann::ordered_json{0.9, 0.95}));
  EXPECT_EQ(group["decoupled_weight_decay"], true);
  EXPECT_EQ(group["params"], (nlohmann::ordered_json{0, 1}));
  const OptimizerState optimizer = read_optimizer_state(*file->root().find("optimizer_state_dict"), "own");
  for (const OptimizerState::Slots& slots : optimizer.parameters)
    EXPECT_EQ(step_count(*slots.at("step"), *file, "own"), 25) << "each has a count of its own";
  EXPECT_NE(optimizer.parameters[0].at("step")->tensor->storage.key,
            optimizer.parameters[1].at("step")->tensor->storage.key)
      << "Python counts in place";
  EXPECT_EQ(content_of(*file, *optimizer.parameters[0].at("exp_avg")->tensor),
            Bytes(owned_.state.tensors[14].bytes.begin(), owned_.state.tensors[14].bytes.end()));
}

TEST_F(Export, TheOpenPartIsInTheFullFormsAndNotInWeights) {
  owned_.state.record.extra = R"({"loss_scaler":{"scale":65536}})";
  owned_.add_tensor({"", "seen", "mine"}, DType::kInt64, {5});
  const auto reader = saved();
  export_checkpoint(real_disk(), *reader, scratch_ / "full.pth", {ExportFormat::kPth, false, 0});
  const auto file = open_foreign_file(scratch_ / "full.pth");
  EXPECT_EQ(json_of(file->root())["extra"]["loss_scaler"]["scale"], 65536);
  const Bytes seen(owned_.state.tensors.back().bytes.begin(), owned_.state.tensors.back().bytes.end());
  EXPECT_EQ(contents_of(*file).at("extra_tensors.mine.seen"), seen);
  export_checkpoint(real_disk(), *reader, scratch_ / "w.pth", {ExportFormat::kPth, true, 0});
  EXPECT_FALSE(contents_of(*open_foreign_file(scratch_ / "w.pth")).contains("seen"));
  export_checkpoint(real_disk(), *reader, scratch_ / "full.h5", {ExportFormat::kHdf5, false, 0});
  EXPECT_NE(slurp(scratch_ / "full.h5").find("loss_scaler"), std::string::npos);
}

TEST_F(Export, FullPthHasTheStepOfEachParameterAndNoStateOfWhatIsFrozenOrWasNeverUpdated) {
  std::array<float, 2> counts = {7.0F, 0.0F};
  owned_.state.record.parameter_order = {"layers.0.weight", "layers.0.bias", "late"};
  owned_.state.tensors.pop_back();
  const auto exp_avg = owned_.state.tensors.back();
  owned_.state.tensors.push_back({{{"exp_avg", "late"}, exp_avg}, exp_avg.bytes});
  owned_.state.tensors.push_back(
      {{{"step", "layers.0.bias"}, DType::kFloat32, {}}, std::as_bytes(std::span(&counts[0], 1))});
  owned_.state.tensors.push_back(
      {{{"step", "late"}, DType::kFloat32, {}}, std::as_bytes(std::span(&counts[1], 1))});
  std::erase_if(owned_.state.tensors, [](const StateTensor& tensor) {
    return tensor.key.in_optimizer() && tensor.key.name == "layers.0.weight";
  });
  export_checkpoint(real_disk(), *saved(), scratch_ / "full.pth", {ExportFormat::kPth, false, 0});
  const auto file = open_foreign_file(scratch_ / "full.pth");
  const PyValue& value = *file->root().find("optimizer_state_dict");
  EXPECT_EQ(json_of(value)["param_groups"][0]["params"], (nlohmann::ordered_json{0, 1, 2}));
  const OptimizerState optimizer = read_optimizer_state(value, "own");
  EXPECT_TRUE(optimizer.parameters[0].empty()) << "frozen";
  EXPECT_EQ(step_count(*optimizer.parameters[1].at("step"), *file, "own"), 7);
  EXPECT_TRUE(optimizer.parameters[2].empty()) << "never updated";
}

TEST_F(Export, FullPthNeedsTheOrderOfTheParameters) {
  owned_.state.record.parameter_order.clear();
  const auto reader = saved();
  const std::string said = refusal([&] {
    export_checkpoint(real_disk(), *reader, scratch_ / "f.pth", {ExportFormat::kPth, false, 0});
  });
  EXPECT_THAT(said, HasSubstr("order"));
  EXPECT_THAT(said, HasSubstr("--weights-only"));
}

TEST_F(Export, SafetensorsAloneAndInShardsHoldTheModel) {
  const auto reader = saved();
  export_checkpoint(real_disk(), *reader, scratch_ / "w.safetensors", {ExportFormat::kSafetensors, true, 0});
  expect_model(contents_of(*open_foreign_file(scratch_ / "w.safetensors")));
  const ExportReport report =
      export_checkpoint(real_disk(), *reader, scratch_ / "shards", {ExportFormat::kSafetensors, true, 600});
  EXPECT_GT(report.files.size(), 2u);
  expect_model(contents_of(*open_foreign_file(scratch_ / "shards/model.safetensors.index.json")));
}

TEST_F(Export, Hdf5HoldsAllOrTheModelAlone) {
  const auto reader = saved();
  for (const bool weights_only : {true, false}) {
    const std::string path = scratch_ / (weights_only ? "w.h5" : "all.h5");
    export_checkpoint(real_disk(), *reader, path, {ExportFormat::kHdf5, weights_only, 0});
    const auto source = open_weights(path);
    std::map<std::string, Bytes> found;
    for (const WeightsTensor& tensor : source->tensors()) {
      found[tensor.key.name].resize(static_cast<std::size_t>(element_count(tensor.shape)) *
                                    size_of(tensor.dtype));
      source->read(tensor.key.name, found[tensor.key.name]);
    }
    expect_model(found);
  }
}

TEST_F(Export, TiedWeightsAreThereUnderBothNames) {
  owned_.state.tensors[0].key.name = "transformer.wte.weight";
  const std::map<std::string, std::string> names = {{"lm_head.weight", "transformer.wte.weight"},
                                                    {"a.second.name", "of.nothing.there"}};
  const auto reader = saved();
  export_checkpoint(real_disk(), *reader, scratch_ / "g.pth", {ExportFormat::kPth, true, 0, names});
  const auto file = open_foreign_file(scratch_ / "g.pth");
  const StateDict model = flatten_state_dict(file->root(), "own");
  EXPECT_EQ(model.tensors.back().name, "lm_head.weight");
  EXPECT_EQ(model.tensors.back().alias_of, "transformer.wte.weight");
  export_checkpoint(real_disk(), *reader, scratch_ / "g.h5", {ExportFormat::kHdf5, true, 0, names});
  const auto source = open_weights(scratch_ / "g.h5");
  Bytes bytes(owned_.state.tensors[0].bytes.size());
  source->read("lm_head.weight", bytes);
  EXPECT_TRUE(std::ranges::equal(bytes, owned_.state.tensors[0].bytes));
}

TEST_F(Export, AnExistingOutputIsNeverReplaced) {
  const auto reader = saved();
  std::ofstream(scratch_ / "mine") << "precious";
  try {
    export_checkpoint(real_disk(), *reader, scratch_ / "mine", {ExportFormat::kPth, true, 0});
    FAIL();
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kUsage);
  }
  EXPECT_EQ(fs::file_size(scratch_ / "mine"), 8u);
}

// Whatever operation fails, what is under the name that was asked for is whole.
TEST_F(Export, AFailingDiskLeavesAWholeOutputOrNone) {
  const auto reader = saved();
  FaultyDisk disk(real_disk());
  const std::string out = scratch_ / "out";
  const auto expect_whole = [&] {
    const bool shards = fs::is_directory(out);
    EXPECT_GE(open_weights(shards ? out + "/model.safetensors.index.json" : out)->tensors().size(), 14u);
    fs::remove_all(out);
  };
  for (const ExportRequest& request :
       {ExportRequest{ExportFormat::kPth, false, 0}, ExportRequest{ExportFormat::kSafetensors, true, 600},
        ExportRequest{ExportFormat::kHdf5, true, 0}}) {
    std::int64_t injected = 0;
    for (std::int64_t k = 1;; ++k) {
      disk.arm({.fail_at = k, .for_ever = true, .error = ENOSPC});
      try {
        export_checkpoint(disk, *reader, out, request);
      } catch (const Fault&) {
      }
      if (disk.injections() == 0) break;
      ++injected;
      if (fs::exists(out)) expect_whole();
      fs::remove_all(out + ".part");
    }
    EXPECT_GT(injected, 5);
    expect_whole();
  }
}

}  // namespace
}  // namespace lockstep
