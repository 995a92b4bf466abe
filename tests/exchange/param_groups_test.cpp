// SPDX-License-Identifier: Apache-2.0
#include "exchange/param_groups.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "exchange/export.h"
#include "exchange/formats/foreign_file.h"
#include "exchange/formats/json_value.h"
#include "lockstep/base/error.h"
#include "shelf/fixture.h"

namespace lockstep {
namespace {

using ::testing::ElementsAre;
using Json = nlohmann::ordered_json;

const std::vector<ParamGroup> kGroups = {{{{"lr", {0.1}},
                                           {"initial_lr", {0.5}},
                                           {"betas", {0.9, 0.95}},
                                           {"eps", {1e-8}},
                                           {"weight_decay", {0.25}}},
                                          {"layers.0.weight"}},
                                         {{{"lr", {0.2}},
                                           {"initial_lr", {0.6}},
                                           {"betas", {0.8, 0.9}},
                                           {"eps", {1e-6}},
                                           {"weight_decay", {0}},
                                           {"amsgrad", {1}}},
                                          {"other", "layers.0.bias"}}};

TrainRecord record_with(const std::vector<ParamGroup>& groups) {
  TrainRecord record;
  record.parameter_order = {"layers.0.weight", "layers.0.bias", "other"};
  keep_param_groups(record, groups);
  return record;
}

TEST(ParamGroups, AreReadAsTheyWereKept) {
  EXPECT_EQ(param_groups_of(record_with(kGroups)), kGroups);
  EXPECT_TRUE(param_groups_of(record_with({})).empty());
  EXPECT_EQ(record_with({}).extra, "{}");
}

TEST(ParamGroups, StandBesideWhatElseARecordKeeps) {
  TrainRecord record;
  record.extra = R"({"mine": 3})";
  record.parameter_order = {"layers.0.weight", "layers.0.bias", "other"};
  keep_param_groups(record, kGroups);
  EXPECT_EQ(Json::parse(record.extra)["mine"], 3);
  EXPECT_EQ(param_groups_of(record), kGroups);
  keep_param_groups(record, {});
  EXPECT_TRUE(param_groups_of(record).empty());
  EXPECT_EQ(Json::parse(record.extra)["mine"], 3);
}

TEST(ParamGroups, ThatNobodyWroteAreRefused) {
  for (const char* forged :
       {R"(3)", R"([3])", R"([{"params": [0]}])", R"([{"options": {}, "params": 0}])",
        R"([{"options": {}, "params": [3]}])", R"([{"options": {}, "params": [-1]}])",
        R"([{"options": {}, "params": [0.5]}])", R"([{"options": {}, "params": [1, 1]}])",
        R"([{"options": {}, "params": [1]}, {"options": {}, "params": [1]}])",
        R"([{"options": {"lr": 1}, "params": [1]}])", R"([{"options": {"lr": ["a"]}, "params": [1]}])"}) {
    TrainRecord record = record_with({});
    record.extra = std::string(R"({"param_groups": )") + forged + "}";
    try {
      param_groups_of(record);
      ADD_FAILURE() << forged;
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.code(), ExitCode::kNoValidCheckpoint) << forged;
    }
  }
}

TEST(ParamGroups, AreExportedAsTorchsWithNumbersInTheirOrder) {
  ScratchFolder scratch;
  OwnedState owned{25};
  const std::array<float, 1> steps = {25.0F};
  owned.state.record.config = {{"optim.type", "adamw"}, {"schedule.type", "cosine"}, {"model.type", "mlp"}};
  owned.state.record.parameter_order = {"layers.0.weight", "layers.0.bias", "other"};
  keep_param_groups(owned.state.record, kGroups);
  owned.state.tensors.push_back(
      {{{"exp_avg", "layers.0.bias"}, DType::kFloat32, {128}}, owned.state.tensors[1].bytes});
  owned.state.tensors.push_back(
      {{{"step", "all_parameters"}, DType::kFloat32, {}}, std::as_bytes(std::span(steps))});
  CheckpointStore(scratch / "ckpt", {}, real_disk(), EventLog().sink()).save(owned.state, false);
  const auto saved = CheckpointReader::open(real_disk(), scratch / "ckpt/step-00000025");
  export_checkpoint(real_disk(), *saved, scratch / "full.pth", {ExportFormat::kPth, false, 0});
  const auto file = open_foreign_file(scratch / "full.pth");
  const Json json = json_of(file->root());
  EXPECT_FALSE(json.contains("extra")) << "they are the optimizer's";
  const Json& groups = json["optimizer_state_dict"]["param_groups"];
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0]["params"], (Json{0}));
  EXPECT_EQ(groups[1]["params"], (Json{1, 2}));
  EXPECT_EQ(groups[0]["weight_decay"], 0.25);
  EXPECT_EQ(groups[1]["weight_decay"], 0.0);
  EXPECT_EQ(groups[1]["lr"], 0.2);
  EXPECT_EQ(groups[1]["initial_lr"], 0.6);
  EXPECT_EQ(groups[1]["betas"], (Json{0.8, 0.9}));
  EXPECT_EQ(groups[0]["amsgrad"], false);
  EXPECT_EQ(groups[1]["amsgrad"], true);
  // layers.0.bias is the third of the numbers.
  EXPECT_TRUE(json["optimizer_state_dict"]["state"].contains("2")) << json["optimizer_state_dict"]["state"];
}

}  // namespace
}  // namespace lockstep
