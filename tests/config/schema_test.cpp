// SPDX-License-Identifier: Apache-2.0
#include "config/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "config/read_value.h"
#include "config/schema_print.h"
#include "config/yaml_text.h"
#include "message.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

const Origin kTable{"default", "", false};

Value value_from(const Row& row, const std::string& text) {
  return read_value(row, {parse_yaml(text, kTable), {}, std::make_shared<const Origin>(kTable)});
}

// A valid value that is not the default.
std::string other_value(const Row& row) {
  const std::string standard = default_text(row);
  switch (row.kind) {
    case KeyKind::kBool:
      return standard == "true" ? "false" : "true";
    case KeyKind::kInt:
    case KeyKind::kUint:
      return standard == "7" ? "8" : "7";
    case KeyKind::kReal:
      return "0.25";
    case KeyKind::kWord:
      return row.words.front() == standard ? row.words.back() : row.words.front();
    case KeyKind::kText:
    case KeyKind::kPath:
      return "other";
    case KeyKind::kPaths:
    case KeyKind::kTextList:
      return "[a, b]";
    case KeyKind::kIntList:
    case KeyKind::kRealList:
      return row.key == "optim.betas" ? "[0.5, 0.75]" : "[5, 6]";
    case KeyKind::kMap:
    case KeyKind::kJson:
      return "{a: b}";
    case KeyKind::kGroups:
      return "[{match: [a, b.*], lr: 0.25, betas: [0.5, 0.75], eps: 0.125, weight_decay: 0}, "
             "{match: [c], frozen: true}]";
  }
  return "";
}

TEST(Schema, BindsEveryRowToAPlaceOfItsOwn) {
  const Schema schema;
  int bound = 0;
  for (const Row& row : schema.rows()) {
    if (row.key == "version") continue;  // has one value only
    RunConfig config;
    const Value value = value_from(row, other_value(row));
    row.set(config, value);
    EXPECT_EQ(value_of(row, config), value) << row.key;
    EXPECT_NE(value_of(row, config), value_of(row, RunConfig{})) << row.key;
    for (const Row& other : schema.rows()) {
      if (other.key == row.key) continue;
      EXPECT_EQ(value_of(other, config), value_of(other, RunConfig{})) << row.key << " moves " << other.key;
    }
    row.set(config, Value{});
    EXPECT_EQ(value_of(row, config), value_of(row, RunConfig{}))
        << row.key << ": null takes the default back";
    ++bound;
  }
  EXPECT_GT(bound, 60);
}

TEST(Schema, PrintsDefaultsThatReadBackEqual) {
  const Schema schema;
  for (const Row& row : schema.rows()) {
    const Value standard = row.derived.empty() ? value_of(row, RunConfig{}) : Value{};
    EXPECT_EQ(value_from(row, default_text(row)), standard) << row.key;
    for (const auto& [type, text] : row.default_with) EXPECT_NO_THROW(value_from(row, text)) << row.key;
    if (!row.example.empty()) {
      EXPECT_NO_THROW(value_from(row, row.example)) << row.key;
    }
  }
}

TEST(Schema, PrintsEveryValueSoThatItReadsBackEqual) {
  const Schema schema;
  const Row& name = *schema.find("run.name");
  for (const std::string text : {"plain", "no", "true", "null", "~", "3", "1e5", ".nan", "a: b", "a #b", "é",
                                 "-x", "[x]", "\"q\"", "a\\b", "0x10"})
    EXPECT_EQ(value_from(name, print_value(text)), Value{text}) << text;
  const Row& lr = *schema.find("optim.lr");
  for (const double number : {0.1, 1e-300, 1.0 / 3, 12345678.9, 5e-324})
    EXPECT_EQ(value_from(lr, print_value(number)), Value{number});
}

TEST(Schema, IsSound) {
  const Schema schema;
  std::set<std::string> keys;
  for (const Row& row : schema.rows()) {
    EXPECT_TRUE(keys.insert(row.key).second) << row.key << " stands twice";
    EXPECT_FALSE(schema.is_section(row.key)) << row.key << " is key and section";
    EXPECT_FALSE(row.text.empty()) << row.key;
    EXPECT_TRUE(row.text.ends_with(".") || row.text.ends_with("?") || row.text.ends_with("…")) << row.key;
    if (row.governed_by.empty()) continue;
    const Row* type = schema.find(row.governed_by);
    ASSERT_NE(type, nullptr) << row.key;
    for (const std::string& word : row.only_with)
      EXPECT_TRUE(word == kRegistered || std::count(type->words.begin(), type->words.end(), word) == 1)
          << row.key;
  }
}

TEST(Schema, HasEveryFixedName) {
  const Schema schema;
  for (const char* key : {"version",
                          "run.name",
                          "run.dir",
                          "run.seed",
                          "run.metadata",
                          "model.type",
                          "model.inputs",
                          "model.hidden",
                          "model.outputs",
                          "model.dropout",
                          "model.weights",
                          "model.classes",
                          "model.stem",
                          "model.layers",
                          "model.heads",
                          "model.width",
                          "model.context",
                          "model.vocab",
                          "data.type",
                          "data.train.inputs",
                          "data.train.labels",
                          "data.train.path",
                          "data.valid.inputs",
                          "data.valid.labels",
                          "data.valid.path",
                          "data.shuffle",
                          "train.steps",
                          "train.epochs",
                          "train.global_batch",
                          "train.micro_batch",
                          "train.grad_clip",
                          "train.eval_every",
                          "train.threads",
                          "train.device",
                          "train.dtype",
                          "train.loss",
                          "optim.type",
                          "optim.lr",
                          "optim.betas",
                          "optim.eps",
                          "optim.weight_decay",
                          "optim.momentum",
                          "optim.nesterov",
                          "optim.groups",
                          "schedule.type",
                          "schedule.warmup_steps",
                          "schedule.final_lr",
                          "dist.backend",
                          "dist.reduce",
                          "checkpoint.every_steps",
                          "checkpoint.keep_last",
                          "checkpoint.keep_every",
                          "checkpoint.keep_best.metric",
                          "checkpoint.keep_best.mode",
                          "checkpoint.keep_best.count",
                          "resume.mode",
                          "log.every_steps"})
    EXPECT_NE(schema.find(key), nullptr) << key;
}

// The registries of a program list the built-in types too.
TEST(Schema, KnowsATypeOnceAndABuiltInOneIsNoRegisteredOne) {
  const Schema schema(ExtraTypes{{"mlp", "gpt"}, {"idx", "text"}});
  EXPECT_EQ(schema_markdown(schema), schema_markdown(Schema()));
  RunConfig idx;
  idx.data.type = "idx";
  EXPECT_FALSE(schema.applies(*schema.find("data.train.path"), idx));
}

TEST(SchemaPrint, IsWhatDocsConfigMdHolds) {
  std::ifstream stream(LOCKSTEP_SOURCE_DIR "/docs/config.md");
  std::stringstream text;
  text << stream.rdbuf();
  EXPECT_TRUE(text.str() == schema_markdown(Schema()))
      << "they differ; run: lockstep config schema --markdown > docs/config.md";
}

TEST(SchemaPrint, IsAJsonSchemaOfClosedObjects) {
  const auto json = nlohmann::json::parse(schema_json(Schema()));
  EXPECT_EQ(json["additionalProperties"], false);
  const auto& lr = json["properties"]["optim"]["properties"]["lr"];
  EXPECT_EQ(lr["anyOf"][0]["type"], "number");
  EXPECT_EQ(lr["anyOf"][0]["minimum"], 0.0);
  EXPECT_EQ(lr["default"], 1e-3);
  EXPECT_EQ(json["properties"]["data"]["properties"]["train"]["additionalProperties"], false);
}

TEST(SchemaPrint, StartsPeopleOffWithAConfigThatIsValid) {
  const std::string text = starter_yaml(Schema());
  const RunConfig config = load_text(text);
  EXPECT_EQ(config.train.steps, 200);
  const Schema schema;
  for (const Row& row : schema.rows())
    EXPECT_THAT(text, HasSubstr(row.key.substr(row.key.rfind('.') + 1) + ": "));
}

TEST(SchemaPrint, ShowsTypesAProgramRegistered) {
  EXPECT_THAT(schema_json(Schema({{"mymodel"}, {"mydata"}})), HasSubstr("mymodel"));
}

}  // namespace
}  // namespace lockstep
