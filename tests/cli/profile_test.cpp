// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "cli/binary.h"

namespace lockstep::testing {
namespace {

using nlohmann::json;

class ProfileOf : public Binary {
 protected:
  // Microseconds of each name of one category.
  static std::map<std::string, double> spent(const json& events, const std::string& category) {
    std::map<std::string, double> spent;
    for (const json& event : events)
      if (event["ph"] == "X" && event["cat"] == category) spent[event["name"]] += event["dur"].get<double>();
    return spent;
  }
};

TEST_F(ProfileOf, EachRankHasItsPhasesAndCollectives) {
  const auto command =
      under_mpirun(2, {LOCKSTEP_BINARY, "train", "-c", "run.yaml", "--profile", "trace.json"});
  const ProcessResult result = run(command, {mpi_environment(), dir_.path()});
  ASSERT_EQ(result.code, 0) << result.err;
  double began[2] = {};
  for (int rank = 0; rank < 2; ++rank) {
    const json events = json::parse(read_file(dir_ / ("trace.rank-" + std::to_string(rank) + ".json")));
    const auto phases = spent(events, "phase");
    for (const char* phase : {"data", "compute", "exchange", "optimizer", "save", "loop", "start-up"})
      EXPECT_TRUE(phases.contains(phase)) << phase << ", rank " << rank;
    EXPECT_GE(spent(events, "collective").size(), 2u);
    int steps = 0;
    double end = 0;
    for (const json& event : events) {
      if (event["ph"] != "X" || event["cat"] != "phase") continue;
      EXPECT_EQ(event["pid"], rank);
      steps += event["name"] == "optimizer";
      // One after another, without holes: what a rank does at any time.
      if (end == 0)
        began[rank] = event["ts"];
      else
        EXPECT_NEAR(event["ts"].get<double>(), end, 1);
      end = event["ts"].get<double>() + event["dur"].get<double>();
    }
    EXPECT_EQ(steps, 12) << "an update a step";
  }
  EXPECT_NEAR(began[0], began[1], 60e6) << "one clock";
}

TEST_F(ProfileOf, AKilledRunIsGoodUpToItsEnd) {
  const ProcessResult killed =
      lockstep({"train", "-c", "run.yaml", "--profile", "trace.json"},
               {{"LOCKSTEP_FAULT", "kill@step=8,file=" + std::string(dir_ / "fired")}});
  ASSERT_EQ(killed.code, 128 + 9);
  std::string text = read_file(dir_ / "trace.json");
  text = text.substr(0, text.find_last_of('}') + 1) + "]";
  EXPECT_TRUE(spent(json::parse(text), "phase").contains("compute"));
}

TEST_F(ProfileOf, ToAFolderThatIsNotThereIsRefusedBeforeTheRunBegins) {
  expect_refused(lockstep({"train", "-c", "run.yaml", "--profile", "nowhere/trace.json"}), 64,
                 {"--profile", "nowhere/trace.json", "No such file"});
  EXPECT_FALSE(std::filesystem::exists(dir_ / "runs/small/metrics.jsonl"));
}

}  // namespace
}  // namespace lockstep::testing
