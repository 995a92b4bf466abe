// SPDX-License-Identifier: Apache-2.0
// F46: run directories of another user are read, and not written. Needs root, to be somebody else.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "cli/binary.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kRoot = 0;
constexpr uid_t kStranger = 1;
constexpr uid_t kUs = 65534;

class OtherOwner : public Binary {
 protected:
  void SetUp() override {
    Binary::SetUp();
    if (::geteuid() != kRoot) GTEST_SKIP() << "only root can start a program as another user";
    fs::permissions(dir_.path(), fs::perms(0755));
    folder("out", kUs);
    const ProcessResult version = as_us({LOCKSTEP_BINARY, "--version"});
    if (version.code != 0)
      GTEST_SKIP() << "another user cannot start " << LOCKSTEP_BINARY << " here: " << version.err;
  }
  // A folder that everybody may write to, so that nothing but its owner can be the reason.
  std::string folder(const std::string& name, uid_t owner) const {
    const std::string path = dir_ / name;
    fs::create_directories(path);
    EXPECT_EQ(::chown(path.c_str(), owner, owner), 0);
    fs::permissions(path, fs::perms(0777));
    return path;
  }
  ProcessResult as_us(std::vector<std::string> words) const {
    const std::string id = std::to_string(kUs);
    words.insert(words.begin(), {"setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups"});
    return run(words, in_folder({{"HOME", dir_ / "out"}}));
  }
  ProcessResult lockstep_as_us(std::vector<std::string> words) const {
    words.insert(words.begin(), LOCKSTEP_BINARY);
    return as_us(words);
  }
  std::vector<std::string> training() const {
    return {"train", "-c", "run.yaml", "train.steps=2", "train.eval_every=0", "run.dir=runs/small"};
  }
  // A run that root made and gave to `owner`, files and all.
  void trained_by(uid_t owner) const {
    train({"train.steps=2", "train.eval_every=0", "checkpoint.every_steps=1", "run.dir=runs/small"});
    fs::permissions(dir_ / "runs", fs::perms(0755));
    EXPECT_EQ(::chown((dir_ / "runs/small").c_str(), owner, owner), 0);
    for (const auto& entry : fs::recursive_directory_iterator(dir_ / "runs/small")) {
      EXPECT_EQ(::lchown(entry.path().c_str(), owner, owner), 0);
      fs::permissions(entry.path(), fs::perms(entry.is_directory() ? 0777 : 0666));
    }
    fs::permissions(dir_ / "runs/small", fs::perms(0777));
  }
  // Every name below the run directory with the length and time of the file.
  std::map<std::string, std::pair<std::uintmax_t, fs::file_time_type>> contents() const {
    std::map<std::string, std::pair<std::uintmax_t, fs::file_time_type>> out;
    for (const auto& entry : fs::recursive_directory_iterator(dir_ / "runs/small"))
      out[entry.path()] = {entry.is_regular_file() ? entry.file_size() : 0, entry.last_write_time()};
    return out;
  }
};

TEST_F(OtherOwner, OfTheRunDirectoryOrAFolderInItIsRefusedBeforeAnythingIsWritten) {
  for (const std::string foreign : {"runs/small", "runs/small/ckpt", "runs/small/log"}) {
    SCOPED_TRACE(foreign);
    fs::remove_all(dir_ / "runs");
    folder("runs/small", kUs);
    const std::string path = folder(foreign, kStranger);
    const auto before = contents();
    expect_refused(lockstep_as_us(training()), 73,
                   {foreign + ": this folder belongs to ", "(uid 1), and we run as ", "(uid 65534)",
                    "chown -R 65534 " + foreign, "run.dir"});
    EXPECT_TRUE(fs::is_empty(path));
    EXPECT_LE(contents().size(), before.size() + 1);  // our own log folder, made before the other is seen
    EXPECT_FALSE(fs::exists(dir_ / "runs/small/run.json"));
    EXPECT_FALSE(fs::exists(dir_ / "runs/small/lock"));
    if (foreign.ends_with("log")) continue;  // no checkpoint goes there
    const ProcessResult doctor = lockstep_as_us({"doctor", "--run", foreign});
    EXPECT_EQ(doctor.code, 73);
    EXPECT_THAT(doctor.out, ::testing::HasSubstr("bad   owner"));
  }
}

TEST_F(OtherOwner, EndsAllRanksWithThatCode) {
  folder("runs/small", kStranger);
  std::vector<std::string> words = training();
  words.insert(words.begin(), LOCKSTEP_BINARY);
  expect_refused(as_us(under_mpirun(2, words)), 73, {"runs/small: this folder belongs to "});
  EXPECT_TRUE(fs::is_empty(dir_ / "runs/small"));
}

TEST_F(OtherOwner, RootOrOneselfIsNoOtherAndRootWritesAnywhere) {
  for (const uid_t owner : {kUs, kRoot}) {
    folder("runs/small", owner);
    const ProcessResult result = lockstep_as_us(training());
    EXPECT_EQ(result.code, 0) << owner << result.err;
    fs::remove_all(dir_ / "runs");
  }
  folder("runs/small", kStranger);
  const ProcessResult result = lockstep(training());
  EXPECT_EQ(result.code, 0) << result.err;
}

TEST_F(OtherOwner, KeepsItsCheckpointsFromEveryCommandThatChangesThem) {
  trained_by(kStranger);
  const auto before = contents();
  const std::string run = "runs/small";
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"prune", run, "--keep-last", "1", "--yes"},
        {"repair", run, "--yes"},
        {"tag", run, "step-1", "mine"},
        {"tag", run, "mine", "--remove"}}) {
    std::vector<std::string> command = words;
    command.insert(command.begin(), "ckpt");
    expect_refused(lockstep_as_us(command), 73, {"/runs/small/ckpt: this folder belongs to "});
  }
  EXPECT_EQ(contents(), before);
  // The folder of checkpoints our own, the run's still the stranger's.
  EXPECT_EQ(::chown((dir_ / "runs/small/ckpt").c_str(), kUs, kUs), 0);
  expect_refused(lockstep_as_us({"ckpt", "tag", run, "step-1", "mine"}), 73, {"/runs/small: this folder"});
  EXPECT_EQ(::chown((dir_ / "runs/small").c_str(), kUs, kUs), 0);
  const ProcessResult ours = lockstep_as_us({"ckpt", "tag", run, "step-1", "mine"});
  EXPECT_EQ(ours.code, 0) << ours.err;
}

TEST_F(OtherOwner, LetsEveryCommandReadThatOnlyReads) {
  trained_by(kStranger);
  const auto before = contents();
  const std::string first = "runs/small/ckpt/step-00000001";
  const std::string second = "runs/small/ckpt/step-00000002";
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"ckpt", "ls", "runs/small"},
        {"ckpt", "show", second},
        {"ckpt", "verify", "runs/small"},
        {"ckpt", "diff", second, second},
        {"ckpt", "export", first, "--to", "safetensors", "-o", "out/first.safetensors"},
        {"ckpt", "prune", "runs/small", "--keep-last", "1"},
        {"ckpt", "repair", "runs/small"},
        {"status", "runs/small"},
        {"eval", "-c", "run.yaml", "--weights", second}}) {
    const ProcessResult result = lockstep_as_us(words);
    EXPECT_EQ(result.code, 0) << words[0] << ' ' << words[1] << ' ' << result.err;
  }
  EXPECT_EQ(contents(), before);
}

}  // namespace
}  // namespace lockstep::testing
