// SPDX-License-Identifier: Apache-2.0
#include "cli/ckpt_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "lockstep/base/error.h"
#include "shelf/store.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A run directory with two checkpoints of one small tensor.
class CkptCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const std::int64_t step : {1, 2}) {
      CheckpointState state;
      state.record.run_id = "digits";
      state.record.step = Step{step};
      state.record.loss = 0.5;
      state.tensors = {{{{"", "fc.weight"}, DType::kFloat32, {4, 4}}, memory_}};
      CheckpointStore(dir_ + "/ckpt", {}, real_disk(), [](const auto&, const auto&) {
      }).save(state, step == 1);
    }
  }

  // What `lockstep ckpt …` prints, and its exit code.
  std::string ckpt(std::vector<std::string> words) {
    words.insert(words.begin(), "ckpt");
    std::reverse(words.begin(), words.end());
    CLI::App app;
    add_ckpt_command(app, registries_, code_);
    code_ = 0;
    ::testing::internal::CaptureStdout();
    try {
      app.parse(words);
    } catch (const Fault& fault) {
      code_ = static_cast<int>(fault.code());
    }
    return ::testing::internal::GetCapturedStdout();
  }
  void damage(const std::string& file) {
    std::fstream out(dir_ + "/ckpt/" + file, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(-3, std::ios::end);
    out.put('?');
  }

  std::vector<std::byte> memory_ = std::vector<std::byte>(64, std::byte{7});
  testing::TempDir scratch_;
  std::string dir_ = scratch_.path();
  Registries registries_;
  int code_ = 0;
};

// The tail of "1.69375e-06" is most of it.
TEST_F(CkptCommand, LsKeepsTheExponentOfASmallLoss) {
  CheckpointState state;
  state.record.run_id = "digits";
  state.record.step = Step{3};
  state.record.loss = 1.69375e-06;
  state.record.metrics = {{"valid_loss", 2.50125e-07}};
  state.tensors = {{{{"", "fc.weight"}, DType::kFloat32, {4, 4}}, memory_}};
  CheckpointStore(dir_ + "/ckpt", {}, real_disk(), [](const auto&, const auto&) {
  }).save(state, /*is_best=*/false);
  const std::string table = ckpt({"ls", dir_});
  EXPECT_THAT(table, HasSubstr(" 1.69375e-06 "));
  EXPECT_THAT(table, HasSubstr("valid_loss 2.50125e-07 "));
}

TEST_F(CkptCommand, ListsEveryCheckpointWithItsStandingAndHash) {
  fs::rename(dir_ + "/ckpt/step-00000001", dir_ + "/ckpt/step-00000001.left-2");
  const auto rows = nlohmann::json::parse(ckpt({"ls", dir_, "--json"}));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["status"], "left");
  EXPECT_EQ(rows[1]["directory"], "step-00000002");
  EXPECT_EQ(rows[1]["status"], "committed");
  EXPECT_EQ(rows[1]["latest"], true);
  EXPECT_EQ(rows[1]["state_hash"].get<std::string>().size(), 32u);
  const std::string text = ckpt({"ls", dir_ + "/ckpt"});
  EXPECT_THAT(text, HasSubstr("committed latest"));
  EXPECT_THAT(text, HasSubstr("step-00000001.left-2"));
  EXPECT_EQ(code_, 0);
}

TEST_F(CkptCommand, ShowsTheNewestOfARunOrTheOneNamed) {
  EXPECT_THAT(ckpt({"show", dir_}), HasSubstr("step        2"));
  const std::string text = ckpt({"show", dir_ + "/ckpt/step-00000001"});
  EXPECT_THAT(text, HasSubstr("step        1"));
  EXPECT_THAT(text, HasSubstr("weight"));
  EXPECT_THAT(text, HasSubstr("[4, 4]"));
  const auto json = nlohmann::json::parse(ckpt({"show", dir_, "--json"}));
  EXPECT_EQ(json["step"], 2);
  EXPECT_EQ(json["tensors"][0]["name"], "fc.weight");
}

TEST_F(CkptCommand, VerifiesWithExitCode65ForADamagedOne) {
  EXPECT_THAT(ckpt({"verify", dir_}), HasSubstr("valid, state hash"));
  EXPECT_EQ(code_, 0);
  damage("step-00000002/checkpoint.h5");
  EXPECT_THAT(ckpt({"verify", dir_ + "/ckpt/step-00000002"}), HasSubstr("checkpoint.h5"));
  EXPECT_EQ(code_, 65);
  const auto json = nlohmann::json::parse(ckpt({"verify", dir_, "--json"}));
  EXPECT_EQ(code_, 65);
  EXPECT_EQ(json["valid"], false);
  EXPECT_EQ(json["checkpoints"][0]["valid"], true);
  EXPECT_EQ(json["checkpoints"][1]["file"], "checkpoint.h5");
  EXPECT_TRUE(fs::exists(dir_ + "/ckpt/step-00000002")) << "looking moves nothing";
}

TEST_F(CkptCommand, ListsADamagedManifestAsDamaged) {
  damage("step-00000002/manifest.json");
  const auto rows = nlohmann::json::parse(ckpt({"ls", dir_, "--json"}));
  EXPECT_EQ(rows[1]["status"], "damaged");
  EXPECT_THAT(rows[1]["reason"].get<std::string>(), HasSubstr("manifest.json"));
  EXPECT_EQ(code_, 0);
}

TEST_F(CkptCommand, SaysWhatIsNotThere) {
  ckpt({"show", dir_ + "/nothing"});
  EXPECT_EQ(code_, 66);
  fs::create_directory(dir_ + "/empty");
  ckpt({"verify", dir_ + "/empty"});
  EXPECT_EQ(code_, 66);
  EXPECT_THAT(ckpt({"ls", dir_ + "/empty"}), HasSubstr("no checkpoints"));
  EXPECT_EQ(code_, 0);
}

TEST_F(CkptCommand, ConvertsToTheOtherLayoutAndBack) {
  const std::string before = ckpt({"verify", dir_ + "/ckpt/step-00000002", "--json"});
  const std::string hash = nlohmann::json::parse(before)["checkpoints"][0]["state_hash"];
  const std::string in_two = scratch_.path() + "/in-two";
  const auto said = nlohmann::json::parse(
      ckpt({"convert", dir_, "--layout", "sharded", "--shards", "2", "-o", in_two, "--json"}));
  EXPECT_EQ(code_, 0);
  EXPECT_EQ(said["state_hash"], hash);
  EXPECT_EQ(said["shards"], 2);
  EXPECT_TRUE(fs::exists(in_two + "/shard-00001-of-00002.h5"));
  EXPECT_THAT(ckpt({"convert", in_two, "--layout", "consolidated", "-o", scratch_.path() + "/in-one"}),
              HasSubstr(hash));
  EXPECT_EQ(code_, 0);
  EXPECT_TRUE(fs::exists(scratch_.path() + "/in-one/checkpoint.h5"));
}

TEST_F(CkptCommand, RefusesAConversionOntoSomethingOrWithAnOptionWithoutEffect) {
  ckpt({"convert", dir_, "--layout", "sharded", "-o", dir_});
  EXPECT_EQ(code_, 73);
  ckpt({"convert", dir_, "--layout", "consolidated", "--shards", "2", "-o", scratch_.path() + "/to"});
  EXPECT_EQ(code_, 64);
  EXPECT_FALSE(fs::exists(scratch_.path() + "/to"));
}

}  // namespace
}  // namespace lockstep
