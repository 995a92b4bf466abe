// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "cli/binary.h"
#include "cli/digit_files.h"
#include "data/data_files.h"
#include "data/hdf5_files.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;

class Data : public Binary {
 protected:
  void config(const std::string& model, const std::string& data) const {
    write_file(dir_ / "run.yaml", "run: {name: small, seed: 5}\nmodel: " + model + "\ndata: " + data +
                                      "\ntrain: {steps: 2, global_batch: 8, micro_batch: 4}\n");
  }
  ProcessResult start(std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"train", "-c", "run.yaml"});
    return lockstep(more);
  }
};

constexpr const char* kDigits = "{type: idx, train: {inputs: train-idx3, labels: train-idx1}}";

TEST_F(Data, LabelThatIsNoClassIsRefusedAtTheStartWithFileAndSample) {
  write_digits(dir_, "train", 48);
  std::string labels = read_file(dir_ / "train-idx1");
  labels[8 + 17] = 11;
  write_file(dir_ / "train-idx1", labels);
  config("{type: mlp, inputs: 144, hidden: [8], outputs: 10}", kDigits);
  expect_refused(start(), 78, {"train-idx1: label 11 of sample 17 is outside 0..9", "data.ignore_label"});
  EXPECT_EQ(start({"data.ignore_label=11"}).code, 0);
}

// LibTorch's own ignore_index: it would have been left out without a word.
TEST_F(Data, LabelOfMinusOneHundredIsRefusedUnlessItIsNamed) {
  {
    std::vector<float> x(16 * 12, 0.5f);
    std::vector<std::int64_t> y(16, 1);
    y[7] = -100;
    Hdf5Writer file(dir_ / "d.h5");
    file.add("/x", {16, 12}, H5T_NATIVE_FLOAT, x.data());
    file.add("/y", {16}, H5T_NATIVE_INT64, y.data());
  }
  config("{type: mlp, inputs: 12, hidden: [8], outputs: 4}",
         "{type: hdf5, train: {path: d.h5, inputs: /x, labels: /y}}");
  expect_refused(start(), 78, {"d.h5: label -100 of sample 7 is outside 0..3"});
  EXPECT_EQ(start({"data.ignore_label=-100"}).code, 0);
  expect_refused(start({"data.ignore_label=-100", "train.loss=mse"}), 78, {"data.ignore_label", "no effect"});
}

TEST_F(Data, BytesInHdf5AreTrainedOnAsImages) {
  std::vector<std::uint8_t> pixels(16 * 12);
  std::vector<std::int32_t> labels(16);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 7);
  {
    Hdf5Writer file(dir_ / "d.h5");
    file.add("/x", {16, 3, 2, 2}, H5T_NATIVE_UINT8, pixels.data());
    file.add("/y", {16}, H5T_NATIVE_INT32, labels.data());
  }
  config("{type: mlp, inputs: 12, hidden: [8], outputs: 4}",
         "{type: hdf5, train: {path: d.h5, inputs: /x, labels: /y}, normalize: {mean: [0.5], std: [0.25]}}");
  const ProcessResult result = start();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("data.train: 1 file: 16 samples, inputs /x as float32"));
}

TEST_F(Data, LayoutOfTokensIsPrintedAndAWrongFileRefused) {
  std::vector<std::uint32_t> tokens(4000, 70000);
  write_file(dir_ / "t.bin", llmc_header(4000, 7, 20240801) + raw(tokens));
  config("{type: gpt, layers: 1, heads: 2, width: 16, context: 8, vocab: 128256}",
         "{type: tokens, train: {path: t.bin}}");
  const ProcessResult result = start({"--dry-run"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("499 samples"));
  EXPECT_THAT(result.out, HasSubstr("llm.c for Llama 3, uint32"));
  write_file(dir_ / "t.bin", raw(tokens));
  expect_refused(start(), 66, {"t.bin", "data.token_dtype"});
  EXPECT_EQ(start({"data.token_dtype=uint32"}).code, 0);
  expect_refused(start({"data.token_dtype=uint24"}), 78, {"data.token_dtype"});
}

TEST_F(Data, ImageOfAnotherSizeDoesNotAdviseToChangeTheModel) {
  write_digits(dir_, "train", 48);
  config("{type: mlp, inputs: 144, hidden: [8], outputs: 10}", kDigits);
  train();
  write_file(dir_ / "large-idx3", idx3(2, 28, 28));
  const std::vector<std::string> words = {
      "predict", "-c", "run.yaml", "--weights", "runs/small/weights.h5", "--input", "large-idx3"};
  for (const bool training_data : {true, false}) {
    if (!training_data) std::filesystem::remove(dir_ / "train-idx3");
    const ProcessResult result = lockstep(words);
    expect_refused(result, 78, {"large-idx3", "The trained model stays as it is"});
    EXPECT_THAT(result.err, ::testing::Not(HasSubstr("set model.")));
  }
}

}  // namespace
}  // namespace lockstep::testing
