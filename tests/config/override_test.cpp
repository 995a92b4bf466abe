// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "config/schema.h"
#include "message.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Override, BeatsTheFileAndTheLastOneWins) {
  EXPECT_EQ(load_text("train: {steps: 10, threads: 2}\n", {"train.steps=20", "train.steps=30"}).train.steps,
            30);
  EXPECT_EQ(load_text("train: {steps: 10, threads: 2}\n", {"train.steps=20"}).train.threads, 2);
}

TEST(Override, OfASectionTakesAMapAndKeepsTheRest) {
  const RunConfig config =
      load_text("train: {steps: 10}\noptim: {lr: 0.5}\n", {"optim={type: sgd, momentum: 0.9}"});
  EXPECT_EQ(config.optim.type, "sgd");
  EXPECT_EQ(config.optim.momentum, 0.9);
  EXPECT_EQ(config.optim.lr, 0.5);
}

TEST(Override, SetsOneMemberOfAFreeMap) {
  const RunConfig config = load_text("train: {steps: 10}\nrun: {metadata: {a: 1, b: {c: 2}}}\n",
                                     {"run.metadata.b.d=x", "run.metadata.e=3"});
  EXPECT_EQ(config.run.metadata, R"({"a":1,"b":{"c":2,"d":"x"},"e":3})");
}

TEST(Override, WithNullTakesTheDefaultBack) {
  const RunConfig config = load_text("train: {steps: 10, threads: 8}\n",
                                     {"train.steps=null", "train.epochs=2", "train.threads=null"});
  EXPECT_EQ(config.train.steps, 0);
  EXPECT_EQ(config.train.epochs, 2);
  EXPECT_EQ(config.train.threads, 1);
}

TEST(Override, WithNullTakesTheDefaultOfAWholeSection) {
  const RunConfig config = load_text(
      "train: {steps: 10}\noptim: {type: sgd, lr: 0.5, momentum: 0.9}\ncheckpoint: {every_steps: 5, "
      "keep_best: "
      "{mode: max}}\n",
      {"optim=null", "checkpoint=~"});
  EXPECT_EQ(config.flat, load_text("train: {steps: 10}\n").flat);
  EXPECT_EQ(load_text("train: {steps: 10}\noptim: {lr: 0.5}\n", {"optim=null", "optim.eps=0.1"}).optim.lr,
            1e-3);
}

TEST(Override, WithNullTakesAMemberOutOfAFreeMap) {
  const std::string text = "train: {steps: 10}\nrun: {metadata: {a: 1, b: {c: 2, d: 3}}}\n";
  EXPECT_EQ(load_text(text, {"run.metadata.b.c=null", "run.metadata.x.y=null"}).run.metadata,
            R"({"a":1,"b":{"d":3}})");
  EXPECT_EQ(load_text(text, {"run.metadata=null"}).run.metadata, "{}");
  EXPECT_EQ(load_text(kSmall, {"run.metadata.a=null"}).run.metadata, "{}");
}

// A value that is not the default, for each kind of key.
std::string other_value(const Row& row) {
  if (!row.words.empty()) return row.words.back();
  if (row.key == "version") return "1";
  switch (row.kind) {
    case KeyKind::kBool:
      return row.get(RunConfig{}) == Value{true} ? "false" : "true";
    case KeyKind::kReal:
      return "0.25";
    case KeyKind::kIntList:
      return "[3]";
    case KeyKind::kRealList:
      return "[0.5, 0.5]";
    case KeyKind::kTextList:
    case KeyKind::kPaths:
      return "[a]";
    case KeyKind::kMap:
    case KeyKind::kJson:
      return "{a: 1}";
    case KeyKind::kText:
    case KeyKind::kPath:
      return "a";
    default:
      return "2";
  }
}

TEST(Override, WithNullTakesTheDefaultOfEveryKey) {
  const Schema schema;
  for (const Row& row : schema.rows()) {
    if (row.key == "train.steps" || row.key == "data.type") continue;  // without them there is no run
    const auto taken_back = load_text(kSmall, {row.key + "=" + other_value(row), row.key + "=null"});
    EXPECT_EQ(taken_back.flat, load_text(kSmall).flat) << row.key;
  }
  EXPECT_THAT(refusal_of(kSmall, {"train.steps=null"}), HasSubstr("neither train.steps nor train.epochs"));
  EXPECT_THAT(refusal_of(kSmall, {"data.type=null"}), HasSubstr("nothing to train on"));
  EXPECT_THAT(refusal_of(kSmall, {"data=null"}), HasSubstr("nothing to train on"));
}

TEST(SaveInterval, IsTenMinutesWhereNobodySaidAnything) {
  const auto interval = [](const std::vector<std::string>& overrides) {
    const CheckpointOptions saves = load_text(kSmall, overrides).checkpoint;
    return std::tuple(saves.every_steps, saves.every_minutes, saves.time_share);
  };
  EXPECT_EQ(interval({}), std::tuple(0, 10.0, 0.01));
  EXPECT_EQ(interval({"checkpoint.every_steps=null"}), std::tuple(0, 10.0, 0.01));
  EXPECT_EQ(interval({"checkpoint.every_steps=0"}), std::tuple(0, 0.0, 0.0));
  EXPECT_EQ(interval({"checkpoint.every_steps=50"}), std::tuple(50, 0.0, 0.0));
  EXPECT_EQ(interval({"checkpoint.every_minutes=0.5"}), std::tuple(0, 0.5, 0.0));
  EXPECT_EQ(interval({"checkpoint.every_minutes=10"}), std::tuple(0, 10.0, 0.0));
  EXPECT_EQ(interval({"checkpoint.every_steps=50", "checkpoint.every_minutes=2"}), std::tuple(50, 2.0, 0.0));
  EXPECT_EQ(interval({"checkpoint.every_minutes=0"}), std::tuple(0, 0.0, 0.0));
}

TEST(Override, WithALineBreakCannotBringAKeyOfItsOwn) {
  const std::string message = refusal_of(kSmall, {"optim.lr=1\nrun: {dir: /etc}"});
  EXPECT_THAT(message, HasSubstr("a line break in a value"));
  EXPECT_THAT(message, Not(HasSubstr("\n")));
  EXPECT_THAT(refusal_of(kSmall, {"run.name=a\rb"}), HasSubstr("a line break"));
  EXPECT_THAT(refusal_of(kSmall, {"optim.lr\n=1"}), HasSubstr("unknown key"));
}

TEST(Override, CannotCloseABracketItDidNotOpen) {
  EXPECT_THAT(refusal_of(kSmall, {"optim.lr=1}, run: {dir: /etc"}), HasSubstr("not YAML"));
  EXPECT_THAT(refusal_of(kSmall, {"model.hidden=[1], run: [2]"}), HasSubstr("override model.hidden="));
  EXPECT_THAT(refusal_of(kSmall, {"optim.lr=[1] 2"}), HasSubstr("a second document"));
}

TEST(Override, GoesThroughTheLimitsOfAFile) {
  std::string list = "model.hidden=[1";
  for (int i = 0; i < 100'001; ++i) list += ",1";
  EXPECT_THAT(refusal_of(kSmall, {list + "]"}), HasSubstr("more than 100000 values"));
  EXPECT_THAT(refusal_of(kSmall, {"model.hidden=[" + std::string(1 << 20, '1') + "]"}),
              HasSubstr("more than 1048576 bytes"));
  EXPECT_THAT(refusal_of(kSmall, {"model.hidden=&a [*a]"}), HasSubstr("an anchor"));
  EXPECT_THAT(refusal_of(kSmall, {"run.metadata={a: 1, a: 2}"}), HasSubstr("duplicate key"));
  EXPECT_THAT(refusal_of(kSmall, {"run.name=\x1b[31m"}), HasSubstr("a control byte"));
  std::string deep = "run.metadata";
  for (int i = 0; i < 10'000; ++i) deep += ".a";
  EXPECT_THAT(refusal_of(kSmall, {deep + "=1"}), HasSubstr("a key of 20012 bytes"));
}

TEST(Override, ThatIsNotKeyValueIsRefused) {
  EXPECT_THAT(refusal_of(kSmall, {"optim.lr"}), HasSubstr("override optim.lr: not of the form key=value"));
  EXPECT_THAT(refusal_of(kSmall, {"=3"}), HasSubstr("not of the form key=value"));
  EXPECT_THAT(refusal_of(kSmall, {"optim.lr="}), HasSubstr("no value"));
  EXPECT_THAT(refusal_of(kSmall, {""}), HasSubstr("not of the form"));
}

TEST(Override, NeverLosesWhatFollowsANumberSign) {
  EXPECT_THAT(refusal_of(kSmall, {"run.metadata.note=issue #5"}), HasSubstr("'#' starts a comment"));
  EXPECT_EQ(load_text(kSmall, {"run.metadata.note=\"issue #5\""}).run.metadata, R"({"note":"issue #5"})");
}

TEST(Override, ShowsItselfShortenedAndWithoutSecrets) {
  const std::string message = refusal_of(kSmall, {"optim.lr=" + std::string(5000, 'x')});
  EXPECT_LT(message.size(), 300u);
  EXPECT_THAT(message, StartsWith("override optim.lr=xxx"));
  EXPECT_THAT(refusal_of(kSmall, {"run.api_token=hunter2"}), Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace lockstep
