// SPDX-License-Identifier: Apache-2.0
// lockstep drill: faults struck on purpose, through the real supervisor.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>

#include "job/job.h"

namespace lockstep::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

// A machine that has something else to do takes its time for six lives.
ProcessOptions with_patience(const Job& job) {
  ProcessOptions options = job.options({});
  options.limit = std::chrono::seconds(280);
  return options;
}

// Steps of a millisecond are too short to be struck one by one; these are enough for some between two saves.
std::vector<std::string> drill_words(const Job& job, std::vector<std::string> more) {
  std::vector<std::string> words = {LOCKSTEP_BINARY,
                                    "drill",
                                    "-c",
                                    job.path("config.yaml"),
                                    "train.steps=300",
                                    "train.eval_every=150",
                                    "checkpoint.every_steps=30",
                                    "watch.limit_s=2",
                                    "--seed",
                                    "5"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

ProcessResult drill(const Job& job, std::vector<std::string> more) {
  return run(drill_words(job, std::move(more)), with_patience(job));
}

// A program of the ranks that does what lockstep does, with something added in the run of a name.
std::string altered_ranks(const Job& job, const std::string& cases) {
  const std::string path = job.path("altered");
  write_file(path,
             "#!/bin/sh\nmore=\ncase \"$*\" in\n" + cases + "esac\nexec " LOCKSTEP_BINARY " \"$@\" $more\n");
  ::chmod(path.c_str(), 0755);
  return path;
}

TEST(Drill, ComesBackFromEachKindOfFaultOnOtherNumbersOfRanksWithTheSameBits) {
  const Job job(mlp_config());
  const ProcessResult result = drill(job, {"--fault", "kill:1@40", "--fault", "hang:0@100", "--fault",
                                           "disk@170", "--fault", "kill@230", "--ranks", "2,3", "--json"});
  ASSERT_EQ(result.code, 0) << result.err << result.out;
  const Json told = Json::parse(result.out);
  EXPECT_THAT(told.at("wrong"), IsEmpty());
  EXPECT_EQ(told.at("seed"), 5);
  EXPECT_EQ(told.at("steps"), 300);
  ASSERT_EQ(told.at("faults").size(), 4u);
  const std::vector<std::string> kinds = {"kill", "hang", "disk", "kill"};
  for (std::size_t i = 0; i < 4; ++i) {
    const Json& fault = told.at("faults")[i];
    EXPECT_EQ(fault.at("fault"), kinds[i]);
    EXPECT_EQ(fault.at("struck"), true) << fault;
    EXPECT_GE(fault.at("step"), fault.at("planned_step")) << fault;
    EXPECT_EQ(fault.at("ranks"), i % 2 == 0 ? 2 : 3);
    EXPECT_EQ(fault.at("next_ranks"), i % 2 == 0 ? 3 : 2);
    EXPECT_LT(fault.at("detect_s"), 12) << fault;
    EXPECT_GT(fault.at("restart_s"), 0) << fault;
    EXPECT_EQ(fault.at("same_bits"), true) << fault;
    EXPECT_EQ(fault.at("lost_commit"), false) << fault;
  }
  EXPECT_GE(told.at("faults")[1].at("detect_s"), 1);
  // The run's own directory was not touched, and nothing is left.
  EXPECT_FALSE(fs::exists(job.run()));
  EXPECT_FALSE(fs::exists(told.at("folder").get<std::string>()));
  EXPECT_TRUE(job.all_gone_within(std::chrono::seconds(5)));
}

TEST(Drill, NamesTheFirstTensorThatDiffersAndKeepsBothRuns) {
  const Job job(mlp_config());
  ProcessOptions options = with_patience(job);
  options.environment["LOCKSTEP_BIN"] = altered_ranks(job, "*/disturbed*) more=optim.lr=0.02;;\n");
  const ProcessResult result =
      run(drill_words(job, {"--fault", "kill:1@40", "--dir", job.path("drilled")}), options);
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_THAT(result.out, HasSubstr("no: model/"));
  EXPECT_THAT(result.out, HasSubstr("max abs"));
  EXPECT_THAT(result.out, HasSubstr("two undisturbed runs are equal: a fault changed the bits"));
  EXPECT_TRUE(fs::exists(job.path("drilled/undisturbed/DONE")));
  EXPECT_TRUE(fs::exists(job.path("drilled/disturbed/DONE")));
}

TEST(Drill, TellsAConfigThatNeverGivesTheSameBitsFromAFault) {
  const Job job(mlp_config());
  ProcessOptions options = with_patience(job);
  options.environment["LOCKSTEP_BIN"] =
      altered_ranks(job, "*/disturbed*) more=optim.lr=0.02;;\n*/undisturbed-again*) more=optim.lr=0.03;;\n");
  const ProcessResult result = run(drill_words(job, {"--fault", "kill:1@40"}), options);
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_THAT(result.out, HasSubstr("two undisturbed runs differ as well"));
}

TEST(Drill, SaysThatARunDidNotComeBack) {
  const Job job(mlp_config());
  ProcessOptions options = with_patience(job);
  // The second life does not know what it is told.
  options.environment["LOCKSTEP_BIN"] =
      altered_ranks(job, "*/disturbed*'--resume auto'*) more=no.such=key;;\n");
  const ProcessResult result = run(drill_words(job, {"--fault", "kill:1@40"}), options);
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_THAT(result.out, HasSubstr("did not come back"));
  EXPECT_THAT(result.out, HasSubstr("the disturbed run ended with 78"));
  EXPECT_THAT(result.out, HasSubstr("no.such"));
}

TEST(Drill, OfAFullDiskWhereTrainingGoesOnNeedsNoRestart) {
  const Job job(mlp_config());
  const ProcessResult result = drill(
      job, {"checkpoint.on_error=continue", "model.hidden=[512, 512]", "--fault", "disk@130", "--json"});
  ASSERT_EQ(result.code, 0) << result.err << result.out;
  const Json fault = Json::parse(result.out).at("faults")[0];
  EXPECT_EQ(fault.at("struck"), true);
  EXPECT_TRUE(fault.at("restart_s").is_null()) << fault;
  EXPECT_EQ(fault.at("same_bits"), true);
}

TEST(Drill, ThatIsInterruptedLeavesNobodyTraining) {
  const Job job(mlp_config());
  Process process(drill_words(job, {"train.steps=1000000", "--dir", job.path("drilled")}),
                  with_patience(job));
  ASSERT_TRUE(wait_until([&] { return fs::exists(job.path("drilled/undisturbed/metrics.jsonl")); }));
  ::kill(process.pid(), SIGTERM);
  EXPECT_EQ(process.wait().code, 128 + SIGTERM);
  EXPECT_TRUE(job.all_gone_within(std::chrono::seconds(15)));
}

struct Unfit {
  const char* name;
  std::vector<std::string> words;
  int code;
  const char* why;

  friend void PrintTo(const Unfit& one, std::ostream* out) { *out << one.name; }
};

class DrillRefuses : public ::testing::TestWithParam<Unfit> {};

TEST_P(DrillRefuses, BeforeAnythingRuns) {
  const Job job(mlp_config());
  fs::create_directory(job.path("there"));
  const ProcessResult result = drill(job, GetParam().words);
  EXPECT_EQ(result.code, GetParam().code) << result.err;
  EXPECT_THAT(result.err, HasSubstr(GetParam().why));
  EXPECT_FALSE(fs::exists(job.run()));
}

INSTANTIATE_TEST_SUITE_P(
    Config, DrillRefuses,
    ::testing::Values(
        Unfit{"FastSumsOnOtherNumbersOfRanks", {"dist.reduce=fast", "--ranks", "2,3"}, 78, "exact"},
        Unfit{"NothingToComeBackTo", {"checkpoint.every_steps=300"}, 78, "nothing to come back to"},
        Unfit{"MoreRanksThanMicroBatches", {"--ranks", "13"}, 78, "12 micro-batches"},
        Unfit{"AFaultPastTheEnd", {"--fault", "kill@300"}, 64, "the run has 300 steps"},
        Unfit{"AFolderThatIsThere", {"--dir", "there"}, 73, "is there already"},
        Unfit{"AFolderInTheRun", {"--dir", "run/drill"}, 73, "lies in the run's own directory"},
        Unfit{"AConfigThatCannotRun", {"data.type=nothing"}, 78, "data.type"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace lockstep::testing
