// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "cli/binary.h"
#include "cli/digit_files.h"
#include "data/data_files.h"
#include "exchange/formats/zip_writer.h"
#include "support/memory_file.h"

namespace lockstep::testing {
namespace {

using nlohmann::json;

class Eval : public Binary {
 protected:
  json eval(const std::string& weights, std::vector<std::string> more = {}) const {
    std::vector<std::string> words = {"eval", "-c", "run.yaml", "--weights", weights, "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const ProcessResult result = lockstep(words);
    EXPECT_EQ(result.code, 0) << result.err;
    return json::parse(result.out, nullptr, false);
  }
  json journal_at(std::int64_t step) const {
    json found;
    for (const std::string& line : lines_of(read_file(dir_ / "runs/small/metrics.jsonl"))) {
      const json record = json::parse(line);
      if (record["step"] == step) found = record;
    }
    return found;
  }
};

TEST_F(Eval, OfWeightsAndOfACheckpointEqualsWhatTrainingSaw) {
  train();
  const json last = journal_at(12);
  for (const char* weights : {"runs/small/weights.h5", "runs/small/ckpt/step-00000012",
                              "runs/small/ckpt/step-00000012/manifest.json"}) {
    const json means = eval(weights);
    EXPECT_NEAR(means["loss"], last["valid_loss"], 1e-12) << weights;
    EXPECT_EQ(means["accuracy"], last["valid_accuracy"]) << weights;
  }
  EXPECT_NE(eval("runs/small/ckpt/step-00000004")["loss"], last["valid_loss"]);
}

TEST_F(Eval, ComputesInThePrecisionItIsTold) {
  train({"train.precision=bf16"});
  const json last = journal_at(12);
  const json mixed = eval("runs/small/weights.h5", {"train.precision=bf16"});
  EXPECT_NEAR(mixed["loss"], last["valid_loss"], 1e-12);
  const double full = eval("runs/small/weights.h5")["loss"];
  EXPECT_NE(full, last["valid_loss"]);
  EXPECT_NEAR(full, mixed["loss"], 0.02);
}

TEST_F(Eval, SaysTheSameAtAnyNumberOfRanks) {
  train();
  const std::vector<std::string> words = {
      "eval", "-c", "run.yaml", "--weights", "runs/small/weights.h5", "train.micro_batch=4"};
  const ProcessResult alone = lockstep(words);
  EXPECT_EQ(alone.code, 0) << alone.err;
  EXPECT_THAT(alone.out, ::testing::ContainsRegex("^accuracy|loss +[0-9]"));
  for (const int number : {1, 2, 3}) {
    const ProcessResult result = ranks(number, words);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.out, alone.out) << number << " ranks";
  }
}

TEST_F(Eval, JudgesRegressionByMseAndMae) {
  train({"train.loss=mse", "train.dtype=float64", "data.classes=0", "data.targets=4"});
  const json means = eval("runs/small/weights.h5",
                          {"train.loss=mse", "train.dtype=float64", "data.classes=0", "data.targets=4"});
  EXPECT_EQ(means["loss"], means["mse"]);
  EXPECT_GT(means["mae"], 0);
  EXPECT_FALSE(means.contains("accuracy"));
}

// Forty rows; the 24th has a NaN in place of its fourth number, where `odd`.
std::string forty_rows(bool odd) {
  std::vector<float> inputs(40 * 16);
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = static_cast<float>(i % 7) - 3;
  if (odd) inputs[23 * 16 + 3] = std::nanf("");
  std::vector<std::int64_t> labels(40);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int64_t>(i % 4);
  MemoryFile file;
  ZipWriter zip(file);
  zip.add("x.npy", npy("<f4", "(40, 16)", raw(inputs)));
  zip.add("y.npy", npy("<i8", "(40,)", raw(labels)));
  zip.finish();
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST_F(Eval, ALossThatIsNoNumberIsSaidWithTheSampleThatMakesItSo) {
  write_file(dir_ / "good.npz", forty_rows(false));
  write_file(dir_ / "odd.npz", forty_rows(true));
  const auto config_of = [](const std::string& valid) {
    std::string text = kSmallConfig;
    const auto data = text.find("data: ");
    return text.replace(data, text.find('\n', data) - data,
                        "data: {type: npz, train: {path: good.npz}, valid: {path: " + valid + "}}");
  };
  write_file(dir_ / "good.yaml", config_of("good.npz"));
  write_file(dir_ / "odd.yaml", config_of("odd.npz"));
  const std::string cause = "the x of " + (dir_ / "odd.npz") + ", row 23 is not finite: value 3 of 16 is nan";
  const ProcessResult trained = ranks(2, {"train", "-c", "odd.yaml"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_THAT(trained.err, ::testing::HasSubstr("step 6: valid_loss is nan: " + cause));
  std::vector<int> steps;
  for (const std::string& line : lines_of(read_file(dir_ / "runs/small/events.jsonl"))) {
    const json event = json::parse(line);
    if (event["event"] != "evaluation_not_finite") continue;
    steps.push_back(event["step"].is_string() ? std::stoi(event["step"].get<std::string>())
                                              : event["step"].get<int>());
    EXPECT_EQ(event["metric"], "valid_loss");
    EXPECT_EQ(event["cause"], cause);
  }
  EXPECT_THAT(steps, ::testing::ElementsAre(6, 12));
  for (const int number : {1, 3}) {
    const ProcessResult result =
        ranks(number, {"eval", "-c", "odd.yaml", "--weights", "runs/small/weights.h5", "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_TRUE(json::parse(result.out)["loss"].is_null());
    const std::string warning = "the loss of the validation data is nan: " + cause;
    EXPECT_THAT(result.err, ::testing::HasSubstr(warning));
    EXPECT_EQ(result.err.find(warning), result.err.rfind(warning));
  }
  const ProcessResult sound = lockstep({"eval", "-c", "good.yaml", "--weights", "runs/small/weights.h5"});
  EXPECT_THAT(sound.err, ::testing::Not(::testing::HasSubstr("not finite"))) << sound.err;
}

TEST_F(Eval, OfTheTrainingPartIsAskedForByName) {
  train();
  const json train_part = eval("runs/small/weights.h5", {"--part", "train"});
  EXPECT_NE(train_part["loss"], eval("runs/small/weights.h5")["loss"]);
}

TEST_F(Eval, WithoutValidationDataSaysWhatToDo) {
  train({"data.holdout_every=0", "train.eval_every=0"});
  expect_refused(lockstep({"eval", "-c", "run.yaml", "--weights", "runs/small/weights.h5",
                           "data.holdout_every=0", "train.eval_every=0"}),
                 78, {"no validation data", "data.valid", "--part train"});
}

TEST_F(Eval, OfAnotherModelNamesTheTensor) {
  train();
  const std::vector<std::string> words = {
      "eval", "-c", "run.yaml", "--weights", "runs/small/weights.h5", "model.hidden=[9]"};
  expect_refused(lockstep(words), 78, {"layers.0.", "[8", "[9"});
  expect_refused(ranks(2, words), 78, {"layers.0."});
}

TEST_F(Eval, OfDigitsInIdxFilesReachesWhatTheyAllow) {
  write_digits(dir_, "train", 480);
  write_digits(dir_, "valid", 100);
  write_file(dir_ / "run.yaml", kDigitsConfig);
  train();
  const json means = eval("runs/small/weights.h5");
  EXPECT_GE(means["accuracy"].get<double>(), 0.97);
  EXPECT_LT(means["loss"].get<double>(), 0.2);
  EXPECT_EQ(journal_at(60)["valid_accuracy"], means["accuracy"]);
}

}  // namespace
}  // namespace lockstep::testing
