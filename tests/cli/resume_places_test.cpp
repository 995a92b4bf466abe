// SPDX-License-Identifier: Apache-2.0
#include <filesystem>

#include "cli/binary.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

// What people give to --resume. runs/small has checkpoints of steps 4, 8 and 12.
class ResumePlaces : public Binary {
 protected:
  void SetUp() override {
    Binary::SetUp();
    train({"run.dir=runs/small"});
  }
  // Resumed in a run of its own, and went on from `step`.
  void expect_from(const std::string& place, int step) const {
    fs::remove_all(dir_ / "runs/again");
    const ProcessResult result =
        lockstep({"train", "-c", "run.yaml", "--run", "runs/again", "train.steps=16", "--resume", place});
    EXPECT_EQ(result.code, 0) << place << result.err;
    const std::string events = read_file(dir_ / "runs/again/events.jsonl");
    for (const std::string& line : lines_of(events)) {
      const json event = json::parse(line);
      if (event.dump().find("\"resumed\"") == std::string::npos) continue;
      EXPECT_THAT(line,
                  HasSubstr("step-" + std::string(step < 10 ? "0000000" : "000000") + std::to_string(step)))
          << place;
      return;
    }
    ADD_FAILURE() << place << ": not resumed";
  }
  ProcessResult refused(const std::string& place) const {
    return lockstep({"train", "-c", "run.yaml", "--run", "runs/never", "--resume", place});
  }
};

TEST_F(ResumePlaces, ACheckpointOrAPartOfItIsMeantItself) {
  for (const char* part : {"", "/", "/manifest.json", "/checkpoint.h5"})
    expect_from(std::string("runs/small/ckpt/step-00000008") + part, 8);
}

TEST_F(ResumePlaces, ARunOrItsFolderMeansTheNewest) {
  for (const char* place : {"runs/small", "runs/small/", "./runs/small/ckpt"}) expect_from(place, 12);
}

TEST_F(ResumePlaces, APointerMeansWhatItPointsAt) {
  fs::remove_all(dir_ / "runs/small/ckpt/step-00000012");
  expect_refused(refused("runs/small/ckpt/latest"), 66, {"step-00000012", "which is not there", "ckpt ls"});
  const std::string best = read_file(dir_ / "runs/small/ckpt/latest");
  write_file(dir_ / "runs/small/ckpt/best", "step-00000004" + best.substr(best.find(' ')));
  expect_from("runs/small/ckpt/best", 4);
}

TEST_F(ResumePlaces, AnythingElseIsSaidToBeWhatItIs) {
  ASSERT_EQ(lockstep({"ckpt", "export", "runs/small", "--to", "pth", "-o", "full.pth"}).code, 0);
  fs::create_directory(dir_ / "empty");
  write_file(dir_ / "latest", "");
  expect_refused(refused("runs/small/weights.h5"), 65, {"HDF5", "model.weights"});
  expect_refused(refused("full.pth"), 65, {"torch.save", "lockstep ckpt import "});
  expect_refused(refused("run.yaml"), 65, {"not a checkpoint to resume from"});
  expect_refused(refused("empty"), 65, {"a folder with no checkpoint in it"});
  expect_refused(refused("latest"), 66, {"not a pointer"});
  expect_refused(refused("nothing"), 66, {"nothing is there"});
  for (const char* verb : {"ls", "verify"})
    expect_refused(lockstep({"ckpt", verb, "runs/small/weights.h5"}), 66,
                   {"no checkpoint, but an HDF5 file"});
}

TEST_F(ResumePlaces, TheVerbsOfCkptTakeThemToo) {
  const auto shown = [&](const std::string& place) {
    return lockstep({"ckpt", "show", place, "--json"}).out;
  };
  const std::string newest = shown("runs/small/ckpt/step-00000012");
  EXPECT_THAT(newest, HasSubstr("state_hash"));
  for (const char* place :
       {"runs/small", "runs/small/ckpt/latest", "runs/small/ckpt/step-00000012/manifest.json"})
    EXPECT_EQ(shown(place), newest) << place;
  EXPECT_EQ(lockstep({"ckpt", "diff", "runs/small/ckpt/latest", "runs/small/ckpt/step-00000012"}).code, 0);
}

}  // namespace
}  // namespace lockstep::testing
