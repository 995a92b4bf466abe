// SPDX-License-Identifier: Apache-2.0
// F46: links that somebody planted in a run directory lead nowhere.
#include <filesystem>

#include "cli/binary.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

class PlantedLinks : public Binary {
 protected:
  void SetUp() override {
    Binary::SetUp();
    fs::create_directories(dir_ / "outside/folder");
    write_file(dir_ / "outside/file", "precious");
    write_file(dir_ / "outside/folder/file", "precious");
    fs::create_directories(dir_ / "runs/small");
  }
  void expect_outside_untouched() const {
    EXPECT_EQ(read_file(dir_ / "outside/file"), "precious");
    EXPECT_EQ(read_file(dir_ / "outside/folder/file"), "precious");
    std::size_t entries = 0;
    for ([[maybe_unused]] const auto& entry : fs::recursive_directory_iterator(dir_ / "outside")) ++entries;
    EXPECT_EQ(entries, 3u);
  }
  ProcessResult start() const {
    return lockstep({"train", "-c", "run.yaml", "train.steps=2", "train.eval_every=0"});
  }
};

class PlantedLink : public PlantedLinks, public ::testing::WithParamInterface<std::pair<const char*, int>> {};

// In place of a folder or of a file that is opened: the run does not start.
TEST_P(PlantedLink, IsRefusedAndNotFollowed) {
  const auto& [planted, code] = GetParam();
  const std::string name = planted;
  fs::create_directories((fs::path(dir_ / "runs/small") / name).parent_path());
  const bool folder = name == "log" || name == "ckpt";
  fs::create_symlink(dir_ / (folder ? "outside/folder" : "outside/file"), dir_ / ("runs/small/" + name));
  expect_refused(start(), code, {name});
  expect_outside_untouched();
  EXPECT_TRUE(fs::is_symlink(dir_ / ("runs/small/" + name)));
}

INSTANTIATE_TEST_SUITE_P(F46, PlantedLink,
                         ::testing::Values(std::pair("log", 73), std::pair("ckpt", 73), std::pair("lock", 73),
                                           std::pair("run.json", 73), std::pair("config.yaml", 73),
                                           std::pair("log/rank-00000.log", 73),
                                           std::pair("metrics.jsonl", 74), std::pair("events.jsonl", 74)),
                         [](const auto& info) {
                           std::string name = info.param.first;
                           for (char& c : name)
                             if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
                           return name;
                         });

// In place of a file that is replaced as a whole: the link goes, what it led to stays.
TEST_F(PlantedLinks, AreReplacedAndNotFollowed) {
  fs::create_directories(dir_ / "runs/small/ckpt");
  const std::vector<std::string> names = {"DONE",        "DONE.part",     "weights.h5",   "weights.h5.part",
                                          "ckpt/latest", "ckpt/verified", "run.json.part"};
  for (const std::string& name : names)
    fs::create_symlink(dir_ / "outside/file", dir_ / ("runs/small/" + name));
  const ProcessResult result = start();
  EXPECT_EQ(result.code, 0) << result.err;
  expect_outside_untouched();
  for (const std::string& name : names) EXPECT_FALSE(fs::is_symlink(dir_ / ("runs/small/" + name))) << name;
}

}  // namespace
}  // namespace lockstep::testing
