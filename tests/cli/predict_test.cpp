// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "cli/binary.h"
#include "cli/digit_files.h"
#include "data/hdf5_files.h"

namespace lockstep::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class Predict : public Binary {
 protected:
  std::string predict(std::vector<std::string> more) const {
    more.insert(more.begin(), {"predict", "-c", "run.yaml", "--weights", "runs/small/weights.h5"});
    const ProcessResult result = lockstep(more);
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  }
  json eval() const {
    return json::parse(
        lockstep({"eval", "-c", "run.yaml", "--weights", "runs/small/weights.h5", "--json"}).out, nullptr,
        false);
  }
  void train_on_digits() const {
    write_digits(dir_, "train", 480);
    write_digits(dir_, "valid", 100);
    write_file(dir_ / "run.yaml", kDigitsConfig);
    train();
  }
};

TEST_F(Predict, NamesTheLikeliestClassesOfImagesWithoutLabels) {
  train_on_digits();
  const std::string out = predict({"--input", "valid-idx3", "--top", "3", "--json"});
  EXPECT_EQ(out, predict({"--input", "valid-idx3", "--top", "3", "--json"}));
  const std::string labels = read_file(dir_ / "valid-idx1").substr(8);
  double hits = 0;
  std::size_t index = 0;
  for (const std::string& text : lines_of(out)) {
    const json line = json::parse(text);
    EXPECT_EQ(line["index"], index);
    ASSERT_EQ(line["top"].size(), 3u);
    EXPECT_GE(line["top"][0]["probability"], line["top"][1]["probability"]);
    EXPECT_GT(line["top"][2]["probability"], 0);
    EXPECT_LE(line["top"][0]["probability"], 1);
    hits += line["top"][0]["class"] == static_cast<int>(labels[index]) ? 1 : 0;
    ++index;
  }
  ASSERT_EQ(index, 100u);
  EXPECT_DOUBLE_EQ(hits / 100, eval()["accuracy"]);
}

TEST_F(Predict, PrintsALineForEachSampleForPeople) {
  train_on_digits();
  const auto lines = lines_of(predict({"--input", "valid-idx3"}));
  ASSERT_EQ(lines.size(), 100u);
  EXPECT_THAT(lines[1], ::testing::ContainsRegex("^1:  class 7 .0\\.[0-9]+.$"));
}

TEST_F(Predict, RefusesInputThatIsMissingOrCutOff) {
  train_on_digits();
  const std::vector<std::string> words = {"predict", "-c", "run.yaml", "--weights", "runs/small/weights.h5",
                                          "--input"};
  auto missing = words;
  missing.push_back("nothing-idx3");
  expect_refused(lockstep(missing), 66, {"nothing-idx3"});
  write_file(dir_ / "cut-idx3", read_file(dir_ / "valid-idx3").substr(0, 1000));
  auto cut = words;
  cut.push_back("cut-idx3");
  expect_refused(lockstep(cut), 66, {"cut-idx3", "984"});
}

TEST_F(Predict, GivesTheNumbersOfARegressionFromHdf5) {
  std::vector<double> x, y;
  for (int i = 0; i < 64; ++i) {
    x.insert(x.end(), {std::sin(i), std::cos(i)});
    y.push_back(2 * std::sin(i) - std::cos(i));
  }
  {
    Hdf5Writer file(dir_ / "points.h5");
    file.add("/x", {64, 2}, H5T_NATIVE_DOUBLE, x.data());
    file.add("/y", {64}, H5T_NATIVE_DOUBLE, y.data());
  }
  write_file(dir_ / "run.yaml", R"(
run: {name: small, seed: 5}
model: {type: mlp, inputs: 2, hidden: [], outputs: 1}
data: {type: hdf5, train: {path: points.h5, inputs: /x, labels: /y}, valid: {path: points.h5, inputs: /x, labels: /y}}
train: {steps: 80, global_batch: 32, micro_batch: 16, dtype: float64}
optim: {type: adamw, lr: 1e-1}
)");
  train();
  double squares = 0;
  const auto lines = lines_of(predict({"--input", "points.h5", "--json"}));
  ASSERT_EQ(lines.size(), 64u);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const json values = json::parse(lines[i])["values"];
    ASSERT_EQ(values.size(), 1u);
    squares += std::pow(values[0].get<double>() - y[i], 2);
  }
  const json means = eval();
  EXPECT_NEAR(squares / 64, means["mse"].get<double>(), 1e-12);
  EXPECT_LT(means["mse"].get<double>(), 0.1);
}

TEST_F(Predict, LeavesTheLabelsOfCifarAside) {
  std::string records;
  for (int i = 0; i < 40; ++i)
    records += static_cast<char>(i % 2) + std::string(1536, static_cast<char>(i % 2 == 0 ? 20 : 220)) +
               std::string(1536, static_cast<char>(i % 2 == 0 ? 220 : 20));
  write_file(dir_ / "batch.bin", records);
  write_file(dir_ / "run.yaml", R"(
run: {name: small, seed: 5}
model: {type: mlp, inputs: 3072, hidden: [], outputs: 10}
data: {type: cifar10, train: {path: batch.bin}, holdout_every: 4}
train: {steps: 10, global_batch: 8, micro_batch: 4}
optim: {type: adamw, lr: 1e-3}
)");
  train();
  const auto lines = lines_of(predict({"--input", "batch.bin", "--json"}));
  ASSERT_EQ(lines.size(), 40u) << "all of the file, nothing held out";
  for (int i = 0; i < 40; ++i) EXPECT_EQ(json::parse(lines[i])["top"][0]["class"], i % 2) << i;
}

TEST_F(Predict, HasNoFilesForMadeUpData) {
  train();
  expect_refused(
      lockstep({"predict", "-c", "run.yaml", "--weights", "runs/small/weights.h5", "--input", "x"}), 78,
      {"synthetic", "idx, cifar10, hdf5 or npz"});
  expect_refused(
      lockstep({"predict", "-c", "run.yaml", "--weights", "runs/small/weights.h5", "--prompt", "x"}), 78,
      {"synthetic", "text or tokens"});
}

// A small GPT that has read one line many times.
class Continue : public Predict {
 protected:
  void SetUp() override {
    std::string text;
    for (int i = 0; i < 400; ++i) text += "abcdefg";
    write_file(dir_ / "text.txt", text);
    write_file(dir_ / "run.yaml", R"(
run: {name: small, seed: 5}
model: {type: gpt, layers: 1, heads: 2, width: 32, context: 16, vocab: 256}
data: {type: text, train: {path: text.txt}, holdout_every: 10}
train: {steps: 60, global_batch: 8, micro_batch: 8}
optim: {type: adamw, lr: 1e-2}
)");
    train();
  }
};

TEST_F(Continue, WritesOnWhatItHasLearnedBeyondItsContext) {
  EXPECT_EQ(predict({"--prompt", "abcdefgabcd", "--tokens", "31", "--temperature", "0"}),
            "abcdefgabcdefgabcdefgabcdefgabcdefgabcdefg\n");
  EXPECT_LT(eval()["perplexity"].get<double>(), 2.0);
}

TEST_F(Continue, DrawsTheSameTextFromTheSameSeed) {
  const auto text = [&](const char* seed) {
    return predict({"--prompt", "ab", "--tokens", "40", "--temperature", "5", "--seed", seed, "--json"});
  };
  const std::string first = text("1");
  EXPECT_EQ(first, text("1"));
  EXPECT_NE(json::parse(first)["tokens"], json::parse(text("2"))["tokens"]);
  EXPECT_EQ(json::parse(first)["tokens"].size(), 40u);
  EXPECT_EQ(json::parse(first)["prompt"], "ab");
  const auto greedy = [&](const char* seed) {
    return predict({"--prompt", "ab", "--tokens", "20", "--temperature", "0", "--seed", seed});
  };
  EXPECT_EQ(greedy("1"), greedy("2")) << "without heat nothing is drawn";
}

TEST_F(Continue, RefusesAnEmptyPromptAndOptionsOfTheOtherKind) {
  const std::vector<std::string> words = {"predict", "-c", "run.yaml", "--weights", "runs/small/weights.h5"};
  auto empty = words;
  empty.insert(empty.end(), {"--prompt", ""});
  expect_refused(lockstep(empty), 78, {"prompt is empty"});
  auto mixed = words;
  mixed.insert(mixed.end(), {"--prompt", "a", "--input", "b"});
  EXPECT_EQ(lockstep(mixed).code, 64);
  auto top = words;
  top.insert(top.end(), {"--prompt", "a", "--top", "2"});
  EXPECT_EQ(lockstep(top).code, 64);
}

TEST_F(Predict, ContinuesTokensAsNumbers) {
  std::string tokens;
  for (int i = 0; i < 2000; ++i) tokens += {static_cast<char>(i % 5), 1};  // 256 + i % 5
  write_file(dir_ / "data.bin", tokens);
  write_file(dir_ / "run.yaml", R"(
run: {name: small, seed: 5}
model: {type: gpt, layers: 1, heads: 2, width: 32, context: 16, vocab: 300}
data: {type: tokens, train: {path: data.bin}}
train: {steps: 60, global_batch: 8, micro_batch: 8}
optim: {type: adamw, lr: 1e-2}
)");
  train();
  EXPECT_EQ(predict({"--prompt", "256, 257 258", "--tokens", "6", "--temperature", "0"}),
            "259 260 256 257 258 259\n");
  expect_refused(
      lockstep({"predict", "-c", "run.yaml", "--weights", "runs/small/weights.h5", "--prompt", "256 two"}),
      64, {"'two'"});
}

}  // namespace
}  // namespace lockstep::testing
