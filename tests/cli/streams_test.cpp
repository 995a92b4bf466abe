// SPDX-License-Identifier: Apache-2.0
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "cli/binary.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The real binary, behind a shell that hands it streams and signals as they lie about. "$L" is the binary.
class Streams : public Binary {
 protected:
  std::vector<std::string> in_shell(const std::string& script) const {
    return {"bash", "-c", "L=" LOCKSTEP_BINARY "; " + script};
  }
  ProcessResult shell(const std::string& script) const { return run(in_shell(script), in_folder()); }
  bool saved() const { return fs::exists(dir_ / "runs/small/ckpt/latest"); }
  // A long run has made its first steps.
  void wait_until_it_trains() const {
    for (int i = 0; i < 600 && !fs::exists(dir_ / "runs/small/metrics.jsonl"); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ASSERT_TRUE(fs::exists(dir_ / "runs/small/metrics.jsonl"));
  }
};

const std::string kLong = "train -c run.yaml train.steps=10000000";

TEST_F(Streams, OutputThatCannotBeWrittenIsAFailure) {
  train();
  for (const std::string command :
       {"--help", "--version", "train --help", "ckpt ls runs/small", "ckpt ls runs/small --json",
        "ckpt show runs/small --json", "ckpt verify runs/small", "status runs/small",
        "status runs/small --json", "config show -c run.yaml", "config schema", "config init",
        "config check -c run.yaml", "eval -c run.yaml --weights runs/small/weights.h5 --json",
        "train -c run.yaml --dry-run"}) {
    for (const std::string out : {">/dev/full", ">&-"}) {
      const ProcessResult result = shell("\"$L\" " + command + " " + out);
      EXPECT_EQ(result.code, 74) << command << out << result.err;
      EXPECT_THAT(result.err, HasSubstr("lockstep: error: standard output cannot be written: "))
          << command << out;
      EXPECT_EQ(lines_of(result.err).size(), 1u) << result.err;
    }
  }
}

TEST_F(Streams, ProgressThatCannotBeWrittenIsSaidOnceAndTrainingGoesOn) {
  for (const std::string out : {">/dev/full", ">&-"}) {
    fs::remove_all(dir_ / "runs");
    const ProcessResult result = shell("\"$L\" train -c run.yaml " + out);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_TRUE(fs::exists(dir_ / "runs/small/DONE"));
    const std::string warning = "lockstep: warning: progress cannot be written";
    EXPECT_THAT(result.err, HasSubstr(warning)) << out;
    EXPECT_EQ(result.err.find(warning), result.err.rfind(warning)) << result.err;
  }
}

// A file of ours that got the number of a stream would hold our progress.
TEST_F(Streams, ClosedStreamsLeaveEveryFileAsItWouldBe) {
  train();
  const std::string hash = read_file(dir_ / "runs/small/DONE");
  fs::rename(dir_ / "runs", dir_ / "undisturbed");
  const ProcessResult result = shell("\"$L\" train -c run.yaml <&- >&- 2>&-");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(nlohmann::json::parse(read_file(dir_ / "runs/small/DONE"))["state_hash"],
            nlohmann::json::parse(hash)["state_hash"]);
  EXPECT_EQ(lockstep({"ckpt", "verify", "runs/small"}).code, 0);
  for (const auto& entry : fs::recursive_directory_iterator(dir_ / "runs")) {
    if (!entry.is_regular_file()) continue;
    EXPECT_THAT(read_file(entry.path().string()), Not(HasSubstr("step 12/12"))) << entry.path();
  }
}

TEST_F(Streams, AFileBeyondItsLimitIsAnErrorOfTheCommand) {
  train();
  const ProcessResult result = shell("ulimit -f 1; \"$L\" ckpt export runs/small --to pth -o small.pth");
  EXPECT_EQ(result.code, 74) << result.err;
  EXPECT_THAT(result.err, HasSubstr("ulimit -f"));
  for (const char* left : {"small.pth", "small.pth.part"}) EXPECT_FALSE(fs::exists(dir_ / left)) << left;
}

TEST_F(Streams, AReaderThatHasEnoughEndsACommandQuietly) {
  train();
  for (const std::string before : {"", "trap '' PIPE; "}) {
    const ProcessResult result =
        shell(before + "{ sleep 0.2; \"$L\" ckpt ls runs/small; echo $? >code; } | true; exit 0");
    EXPECT_THAT(result.err, IsEmpty()) << before;
    EXPECT_EQ(read_file(dir_ / "code"), "141\n") << before;
  }
}

TEST_F(Streams, AReaderThatEndsDoesNotCostTheSave) {
  Process process(in_shell("{ exec \"$L\" " + kLong + "; } 2>&1 | head -n 1"), in_folder());
  ASSERT_NO_FATAL_FAILURE(wait_until_it_trains());
  std::this_thread::sleep_for(std::chrono::seconds(1));
  ::kill(-process.pid(), SIGTERM);
  for (int i = 0; i < 200 && !saved(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(saved());
}

TEST_F(Streams, UnderNohupTheHangUpIsNotHeard) {
  Process process(in_shell("trap '' HUP; exec \"$L\" " + kLong), in_folder());
  ASSERT_NO_FATAL_FAILURE(wait_until_it_trains());
  process.signal(SIGHUP);
  std::this_thread::sleep_for(std::chrono::seconds(1));
  EXPECT_TRUE(process.running());
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait().code, 75);
}

TEST_F(Streams, AnIgnoredChildSignalChangesNothing) {
  EXPECT_EQ(shell("trap '' CHLD; exec \"$L\" train -c run.yaml").code, 0);
}

}  // namespace
}  // namespace lockstep::testing
