// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "job/job.h"
#include "support/process.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

// Made by tests/fields/files/make_files.py.
std::string file(const std::string& name) {
  return std::string(LOCKSTEP_SOURCE_DIR) + "/tests/fields/files/" + name;
}

std::string config(const std::string& model, const std::string& data) {
  return "version: 1\nrun: {name: job, dir: run, seed: 7}\nmodel: {type: " + model + "}\ndata: {" + data +
         "}\n" + R"(train: {steps: 12, global_batch: 12, micro_batch: 3, eval_every: 6}
optim: {type: adamw, lr: 1e-2}
checkpoint: {async: false, every_steps: 4, keep_last: 9}
log: {every_steps: 1}
)";
}

std::string from_npz() {
  return config("two_inputs", "type: npz, train: {path: " + file("two_inputs.npz") +
                                  "}, holdout_every: 5, augment: {flip: true, crop: 1}");
}

std::string from_hdf5() {
  return config(
      "two_inputs",
      "type: hdf5, train: {path: " + file("two_inputs.h5") +
          "}, holdout_every: 5, augment: {flip: true, crop: 1}, fields: {image: train/image, table: "
          "/train/table, mask: train/mask, y: train/y}");
}

std::string sentences(const std::string& model, const std::string& rest) {
  return config(model, "type: npz, train: {path: " + file("sentences.npz") + "}, holdout_every: 5, " + rest);
}

ProcessResult train(const Job& job, Start start) {
  start.binary = LOCKSTEP_FIELD_MODELS;
  return job.train(start);
}

std::string hash_of(const std::string& config, Start start) {
  const Job job(config);
  const ProcessResult result = train(job, std::move(start));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(job.state_hash().size(), 32u);
  return job.state_hash();
}

std::string alone(const std::string& config, const std::vector<std::string>& overrides = {}) {
  return hash_of(config, {.launcher = Launcher::kNone, .overrides = overrides});
}

TEST(TwoInputsAndAMask, GiveOneStateHashFromNpzAndFromHdf5AtOneToFourRanksWithOneWorkerOrFour) {
  const std::string expected = alone(from_npz());
  for (int ranks = 1; ranks <= 4; ++ranks) {
    EXPECT_EQ(hash_of(from_npz(), {.ranks = ranks, .overrides = {"data.workers=4"}}), expected) << ranks;
    EXPECT_EQ(hash_of(from_hdf5(), {.ranks = ranks}), expected) << ranks;
  }
  EXPECT_NE(alone(from_npz(), {"data.augment.flip=false"}), expected) << "pictures are flipped";
  EXPECT_NE(alone(from_npz(), {"data.augment.crop=0"}), expected) << "and moved";
}

TEST(TwoInputsAndAMask, KilledAndGoneOnWithElsewhereEndInTheSameStateHash) {
  const Job job(from_npz());
  const std::string fired = job.path("fired");
  EXPECT_NE(
      train(job, {.ranks = 2, .fault = "kill@rank=1,step=7,file=" + fired, .overrides = {"data.workers=4"}})
          .code,
      0);
  ASSERT_EQ(injections(fired), 1);
  const ProcessResult second = train(job, {.ranks = 3});
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(job.events("resumed").at(0).at("step"), 4);
  EXPECT_EQ(job.state_hash(), alone(from_npz()));
}

TEST(TwoInputsAndAMask, AreEvaluatedAndAskedFromTheSameFiles) {
  const Job job(from_npz());
  ASSERT_EQ(train(job, {.launcher = Launcher::kNone}).code, 0);
  EXPECT_TRUE(job.metrics().back().contains("valid_accuracy")) << job.metrics().back();
  const ProcessResult answer =
      testing::run({LOCKSTEP_FIELD_MODELS, "predict", "-c", job.path("config.yaml"), "--json", "--weights",
                    job.run() + "/weights.h5", "--input", file("two_inputs.npz")});
  ASSERT_EQ(answer.code, 0) << answer.err;
  EXPECT_EQ(std::count(answer.out.begin(), answer.out.end(), '\n'), 60);
}

TEST(TwoInputsAndAMask, GivenToAModelOfOneInputAreRefusedByName) {
  const Job job(from_npz());
  const ProcessResult result =
      train(job, {.launcher = Launcher::kNone, .overrides = {"model.type=one_input"}});
  EXPECT_EQ(result.code, 78);
  EXPECT_THAT(result.err,
              HasSubstr("the model takes one input, and the data has image, table and mask beside "
                        "the target y"));
  EXPECT_THAT(result.err, HasSubstr("forward(const lockstep::Batch&)"));
  // data.fields chooses the one it takes.
  const std::string chosen = "data={type: npz, train: {path: " + file("two_inputs.npz") +
                             "}, fields: {x: table, y: y}, augment: {flip: false, crop: 0}}";
  EXPECT_EQ(train(job, {.launcher = Launcher::kNone, .overrides = {"model.type=one_input", chosen}}).code, 0);
}

TEST(SamplesOfUnequalLength, GiveOneStateHashAtOneToFourRanks) {
  const std::string sentence =
      sentences("sentence", "fields: {tokens: tokens, label: label}, lengths: {tokens: words}");
  const std::string tagger =
      sentences("tagger",
                "fields: {tokens: tokens, tags: tags}, lengths: {tokens: words, tags: words}, target: tags, "
                "ignore_label: -100");
  for (const std::string& config : {sentence, tagger}) {
    const std::string expected = alone(config);
    for (int ranks = 2; ranks <= 4; ++ranks)
      EXPECT_EQ(hash_of(config, {.ranks = ranks, .overrides = {"data.workers=2"}}), expected) << ranks;
  }
}

TEST(SamplesOfUnequalLength, WhosePaddingWouldCountInTheLossAreRefused) {
  const Job job(sentences("tagger",
                          "fields: {tokens: tokens, tags: tags}, lengths: {tokens: words, tags: words}, "
                          "target: tags"));
  const ProcessResult result = train(job, {.launcher = Launcher::kNone});
  EXPECT_EQ(result.code, 78);
  EXPECT_THAT(result.err, HasSubstr("the target tags differs in length between samples"));
  EXPECT_THAT(result.err, HasSubstr("data.ignore_label"));
}

}  // namespace
}  // namespace lockstep::testing
