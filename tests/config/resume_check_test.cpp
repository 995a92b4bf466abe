// SPDX-License-Identifier: Apache-2.0
#include "config/resume_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "message.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kBase =
    "train: {steps: 10}\nmodel: {hidden: [8]}\ndata: {type: synthetic, holdout_every: 4}\n";

std::vector<ConfigChange> changes_with(const std::vector<std::string>& overrides) {
  return changes_between(load_text(kBase).flat, load_text(kBase, overrides));
}

std::string refusal_with(const std::vector<std::string>& overrides) {
  const RunConfig now = load_text(kBase, overrides);
  const auto changes = changes_between(load_text(kBase).flat, now);
  return message_of([&] { refuse_forbidden_changes(changes, now); }, ExitCode::kConfig);
}

TEST(ResumeCheck, FindsNoChangeInTheSameConfig) {
  EXPECT_TRUE(changes_with({}).empty());
}

TEST(ResumeCheck, LetsHarmlessKeysChangeAndReportsThem) {
  for (const std::string change :
       {"train.steps=20", "optim.lr=0.5", "optim.weight_decay=0.5", "schedule.type=cosine",
        "schedule.warmup_steps=3", "train.threads=2", "train.device=cpu", "train.eval_every=5",
        "checkpoint.every_minutes=5", "checkpoint.keep_last=9", "log.every_steps=1", "run.metadata={note: x}",
        "dist.backend=mpi", "train.grad_clip=1"}) {
    const RunConfig now = load_text(kBase, {change});
    const auto logged = refuse_forbidden_changes(changes_between(load_text(kBase).flat, now), now);
    ASSERT_EQ(logged.size(), 1u) << change;
    EXPECT_EQ(logged[0].key, change.substr(0, change.find('='))) << change;
  }
}

TEST(ResumeCheck, LetsDataPathsChange) {
  const std::string text =
      "train: {steps: 10}\nmodel: {type: gpt, vocab: 256}\ndata: {type: text, train: {path: /a}}\n";
  const RunConfig now = load_text(text, {"data.train.path=/b"});
  EXPECT_NO_THROW(refuse_forbidden_changes(changes_between(load_text(text).flat, now), now));
}

TEST(ResumeCheck, RefusesTheOthersWithBothValuesAndTheRemedy) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"model.hidden=[9]", "model.hidden: [8] -> [9]"},
      {"model.dropout=0.5", "model.dropout: 0 -> 0.5"},
      {"optim.type=sgd", "optim.type: adamw -> sgd"},
      {"run.seed=1", "run.seed: 0 -> 1"},
      {"train.global_batch=128", "train.global_batch: 64 -> 128"},
      {"train.micro_batch=8", "train.micro_batch: 16 -> 8"},
      {"dist.reduce=fast", "dist.reduce: exact -> fast"},
      {"train.dtype=float64", "train.dtype: float32 -> float64"},
      {"data.shuffle=false", "data.shuffle: true -> false"},
      {"data.holdout_every=5", "data.holdout_every: 4 -> 5"},
      {"data.samples=9", "data.samples: 1024 -> 9"}};
  for (const auto& [change, says] : cases) {
    const std::string key = change.substr(0, change.find('='));
    const std::string message = refusal_with({change});
    EXPECT_THAT(message, HasSubstr(says));
    EXPECT_THAT(message, HasSubstr("resume.allow_changes=[" + key + "]"));
  }
}

TEST(ResumeCheck, ListsEveryForbiddenChangeAtOnce) {
  const std::string message = refusal_with({"run.seed=1", "model.hidden=[9]", "optim.lr=0.1"});
  EXPECT_THAT(message, HasSubstr("run.seed: 0 -> 1; model.hidden: [8] -> [9]"));
  EXPECT_THAT(message, HasSubstr("resume.allow_changes=[run.seed, model.hidden]"));
  EXPECT_THAT(message, Not(HasSubstr("optim.lr")));
}

TEST(ResumeCheck, AllowsWhatIsNamedByKeyOrSection) {
  for (const std::string name : {"model.hidden", "model"}) {
    const RunConfig now = load_text(kBase, {"model.hidden=[9]", "resume.allow_changes=[" + name + "]"});
    const auto logged = refuse_forbidden_changes(changes_between(load_text(kBase).flat, now), now);
    EXPECT_EQ(logged[0].key, "model.hidden");
  }
  EXPECT_THAT(refusal_with({"run.seed=1", "model.hidden=[9]", "resume.allow_changes=[model]"}),
              HasSubstr("run.seed"));
}

TEST(ResumeCheck, SaysThatATypeChangedAndNotEveryKeyOfIt) {
  const auto changes = changes_with({"optim.type=sgd", "optim.weight_decay=0.01", "optim.momentum=0.9"});
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].key, "optim.type");
}

TEST(ResumeCheck, TakesAKeyTheOldRunDidNotHaveForItsDefault) {
  auto saved = load_text(kBase).flat;
  saved.erase("train.grad_clip");
  saved["gone.key"] = "3";
  EXPECT_TRUE(changes_between(saved, load_text(kBase)).empty());
  EXPECT_EQ(changes_between(saved, load_text(kBase, {"train.grad_clip=1"})).size(), 1u);
}

TEST(ResumeCheck, MasksSecretsInWhatItSays) {
  const auto changes = changes_with({"run.metadata={api_token: hunter2}"});
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_THAT(describe(changes[0]), Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace lockstep
