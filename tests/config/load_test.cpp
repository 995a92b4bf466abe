// SPDX-License-Identifier: Apache-2.0
#include "config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "config/effective.h"
#include "message.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class LoadFile : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::canonical(fs::temp_directory_path()) /
              ("lockstep_load_" + std::to_string(::getpid()) + "_" + test->name());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }

  fs::path folder_;
};

TEST_F(LoadFile, NamesPlaceKeyAndNearestKey) {
  const std::string file = write("run.yaml", "train:\n  steps: 3\noptim:\n  type: adamw\n  lrr: 1e-3\n");
  EXPECT_EQ(message_of([&] { load_config(file); }, ExitCode::kConfig),
            file + ":5:3: optim.lrr: unknown key. Did you mean optim.lr?");
}

TEST_F(LoadFile, EndsWithInputMissingForAMissingFileAndAFolder) {
  EXPECT_THAT(message_of([&] { load_config((folder_ / "no.yaml").string()); }, ExitCode::kInputMissing),
              HasSubstr("No such file"));
  EXPECT_THAT(message_of([&] { load_config(folder_.string()); }, ExitCode::kInputMissing),
              HasSubstr("a folder"));
}

TEST_F(LoadFile, RefusesAHugeFileWithoutReadingIt) {
  const std::string file = write("huge.yaml", "");
  fs::resize_file(file, std::uintmax_t{8} << 30);  // sparse
  EXPECT_THAT(message_of([&] { load_config(file); }, ExitCode::kConfig),
              HasSubstr("more than 1048576 bytes"));
}

TEST_F(LoadFile, StartsPathsOfAFileAtItsFolder) {
  const std::string file = write("sub/run.yaml",
                                 "train: {steps: 1}\nmodel: {type: resnet18, weights: w.h5}\n"
                                 "data: {type: cifar10, train: {path: [../a.bin, /abs/b.bin]}}\n"
                                 "resume: {mode: old/ckpt}\nrun: {dir: out/here}\n");
  const RunConfig config = load_config(file);
  EXPECT_EQ(config.data.train.paths, (std::vector<std::string>{(folder_ / "a.bin").string(), "/abs/b.bin"}));
  EXPECT_EQ(config.model.weights, (folder_ / "sub/w.h5").string());
  EXPECT_EQ(config.resume.mode, (folder_ / "sub/old/ckpt").string());
  EXPECT_EQ(config.run.dir, "out/here");
}

TEST_F(LoadFile, FollowsALinkedFolderBeforeItsDotDot) {
  fs::create_directories(folder_ / "real/inner");
  fs::create_directory_symlink(folder_ / "real/inner", folder_ / "link");
  write("real/inner/run.yaml",
        "train: {steps: 1}\nmodel: {type: gpt, vocab: 256}\ndata: {type: text, train: {path: ../t.txt}}\n");
  const RunConfig config = load_config((folder_ / "link/run.yaml").string());
  EXPECT_EQ(config.data.train.paths[0], (folder_ / "real/t.txt").string());
}

TEST_F(LoadFile, StartsPathsOfAnOverrideAtTheWorkingDirectory) {
  const std::string file = write("run.yaml",
                                 "train: {steps: 1}\nmodel: {type: gpt, vocab: 256}\n"
                                 "data: {type: text, train: {path: inside.txt}}\n");
  const RunConfig config = load_config(file, {"data.train.path=outside.txt"});
  EXPECT_EQ(config.data.train.paths[0], (fs::current_path() / "outside.txt").string());
}

TEST_F(LoadFile, TakesIdxFilesAsPathsAndHdf5DatasetsAsNames) {
  const std::string idx =
      write("idx.yaml", "train: {steps: 1}\ndata: {type: idx, train: {inputs: i, labels: l}}\n");
  EXPECT_EQ(load_config(idx).data.train.inputs, (folder_ / "i").string());
  const std::string hdf5 = write(
      "hdf5.yaml", "train: {steps: 1}\ndata: {type: hdf5, train: {path: d.h5, inputs: /x, labels: y}}\n");
  EXPECT_EQ(load_config(hdf5).data.train.inputs, "/x");
  EXPECT_EQ(load_config(hdf5).data.train.labels, "y");
}

TEST_F(LoadFile, PrintsAnEffectiveConfigThatMeansTheSame) {
  for (const std::string name : {"digits", "regression", "resnet18-cifar", "gpt-headers"}) {
    const RunConfig config =
        load_config(LOCKSTEP_SOURCE_DIR "/configs/" + name + ".yaml",
                    {"run.metadata.note='a: \"b\" # c'", "run.metadata.list=[1, 2.5, no]"});
    const RunConfig again = load_config(write(name + ".yaml", effective_yaml(config, Secrets::kWrite)));
    EXPECT_EQ(again.flat, config.flat) << name;
  }
}

TEST_F(LoadFile, WithoutPathsHasTheLinesOfTheSameConfigInAnotherFolder) {
  const std::string text = "train: {steps: 1}\ndata: {type: idx, train: {inputs: i, labels: l}}\n";
  std::filesystem::create_directory(folder_ / "there");
  const RunConfig here = load_config(write("here.yaml", text));
  const RunConfig there = load_config(write("there/there.yaml", text));
  EXPECT_NE(here.flat, there.flat);
  EXPECT_EQ(lines_without_paths(here), lines_without_paths(there));
  EXPECT_NE(lines_without_paths(here).find("data.type: idx\n"), std::string::npos);
  EXPECT_NE(lines_without_paths(here),
            lines_without_paths(load_config(write("here.yaml", text), {"run.seed=8"})));
}

TEST(Load, FillsInWhatFollowsFromOtherKeys) {
  const RunConfig config =
      load_text(kSmall, {"run.name=abc", "run.seed=9", "model.inputs=20", "model.outputs=3"});
  EXPECT_EQ(config.run.dir, "runs/abc");
  EXPECT_EQ(config.data.seed, 9u);
  EXPECT_EQ(config.data.input_shape, std::vector<std::int64_t>{20});
  EXPECT_EQ(config.data.classes, 3);
  EXPECT_EQ(config.optim.weight_decay, 0.01);
  EXPECT_EQ(load_text(kSmall, {"optim.type=sgd"}).optim.weight_decay, 0.0);
  const RunConfig mse = load_text(kSmall, {"train.loss=mse", "model.outputs=4"});
  EXPECT_EQ(mse.data.classes, 0);
  EXPECT_EQ(mse.data.targets, 4);
}

TEST(Load, GivesTheDataContextAndVocabularyOfTheModel) {
  const RunConfig config = load_text(
      "train: {steps: 1}\nmodel: {type: gpt, context: 32, vocab: 300}\n"
      "data: {type: tokens, train: {path: /t.bin}}\n");
  EXPECT_EQ(config.data.context, 32);
  EXPECT_EQ(config.data.vocab, 300);
}

TEST(Load, FlattensOnlyWhatAppliesInCanonicalForm) {
  const RunConfig config = load_text(kSmall, {"optim.lr=+1E-3", "model.hidden=[ 3,4 ]"});
  EXPECT_EQ(config.flat.at("optim.lr"), "0.001");
  EXPECT_EQ(config.flat.at("model.hidden"), "[3, 4]");
  EXPECT_EQ(config.flat.at("train.epochs"), "null");
  EXPECT_EQ(config.flat.count("model.layers"), 0u);
  EXPECT_EQ(config.flat.count("optim.momentum"), 0u);
}

TEST(Load, KnowsRegisteredTypesAndTheirParameters) {
  const ExtraTypes types{{"mymodel"}, {"mydata"}};
  const RunConfig config = load_text(
      kSmall,
      {"model={type: mymodel, params: {depth: 3, kind: wide}}", "data={type: mydata, params: {root: here}}"},
      types);
  EXPECT_EQ(config.model.params, (std::map<std::string, std::string>{{"depth", "3"}, {"kind", "wide"}}));
  EXPECT_EQ(config.data.params.at("root"), "here");
  EXPECT_THAT(refusal_of(kSmall, {"model.type=mymodel"}), HasSubstr("expects one of mlp, resnet18"));
  EXPECT_THAT(refusal_of(kSmall, {"model.params={a: 1}"}, types),
              HasSubstr("model.params: has no effect with model.type: mlp"));
}

TEST(Load, KeepsMetadataAsTypedJson) {
  const RunConfig config =
      load_text(kSmall, {"run.metadata={note: free, n: 3, x: 0.5, ok: true, s: \"3\", none: null}"});
  EXPECT_EQ(config.run.metadata, R"({"n":3,"none":null,"note":"free","ok":true,"s":"3","x":0.5})");
}

TEST(Load, RefusesKeysWhoseCapabilityIsNotThere) {
  for (const std::string key : {"train.autocast=true", "train.compile=true"})
    EXPECT_THAT(refusal_of(kSmall, {key}), HasSubstr("unknown key"));
}

TEST(Load, RefusesASectionWithoutAMapAndAFileThatIsNone) {
  EXPECT_THAT(refusal_of("optim: 3\n"), StartsWith("run.yaml:1:8: optim: is a section"));
  EXPECT_THAT(refusal_of("optim: [lr]\n"), HasSubstr("is a section"));
  EXPECT_THAT(refusal_of("- a\n"), HasSubstr("a config is a map of sections, not a list"));
  EXPECT_THAT(refusal_of("just words\n"), HasSubstr("not a single value"));
  EXPECT_THAT(refusal_of("optim.lr: 3\n"), HasSubstr("a dot in a key"));
}

TEST(Load, SuggestsTheNearestKeyOrNone) {
  EXPECT_THAT(refusal_of("trian: {steps: 3}\n"), HasSubstr("Did you mean train?"));
  EXPECT_THAT(refusal_of("lr: 3\n"), HasSubstr("Did you mean optim.lr?"));
  EXPECT_THAT(refusal_of("train: {batch_size: 3}\n"), Not(HasSubstr("Did you mean")));
  EXPECT_THAT(refusal_of("train: {globl_batch: 3}\n"), HasSubstr("Did you mean train.global_batch?"));
  EXPECT_THAT(refusal_of("optim: {warmup_steps: 3}\n"), HasSubstr("Did you mean schedule.warmup_steps?"));
  EXPECT_THAT(refusal_of(std::string(100'000, 'x') + ": 1\n"), Not(HasSubstr("Did you mean")));
}

}  // namespace
}  // namespace lockstep
