// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <ctime>
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

// A number of a trace as Perfetto reads it: a double of microseconds, cut to whole nanoseconds.
std::int64_t nanoseconds(const json& microseconds) {
  return static_cast<std::int64_t>(microseconds.get<double>() * 1000.0);
}

TEST_F(ProfileOf, EachRankHasItsPhasesAndCollectives) {
  const auto command =
      under_mpirun(2, {LOCKSTEP_BINARY, "train", "-c", "run.yaml", "--profile", "trace.json"});
  const ProcessResult result = run(command, {mpi_environment(), dir_.path()});
  ASSERT_EQ(result.code, 0) << result.err;
  std::int64_t began[2] = {};
  for (int rank = 0; rank < 2; ++rank) {
    const json events = json::parse(read_file(dir_ / ("trace.rank-" + std::to_string(rank) + ".json")));
    const auto phases = spent(events, "phase");
    for (const char* phase : {"data", "compute", "exchange", "optimizer", "save", "loop", "start-up"})
      EXPECT_TRUE(phases.contains(phase)) << phase << ", rank " << rank;
    EXPECT_GE(spent(events, "collective").size(), 2u);
    int steps = 0;
    std::map<int, std::int64_t> end;  // by track
    for (const json& event : events) {
      if (event["ph"] != "X") continue;
      EXPECT_EQ(event["pid"], rank);
      const bool phase = event["cat"] == "phase";
      steps += phase && event["name"] == "optimizer";
      const std::int64_t begin = nanoseconds(event["ts"]);
      const auto [before, first] = end.try_emplace(event["tid"], begin);
      if (phase && first) began[rank] = begin;
      // One after another, as whole nanoseconds; phases without holes: what a rank does at any time. The
      // cut of a duration may lose one.
      EXPECT_GE(begin, before->second) << event;
      EXPECT_LE(begin, phase ? before->second + 1 : begin) << event;
      before->second = begin + nanoseconds(event["dur"]);
    }
    EXPECT_EQ(steps, 12) << "an update a step";
  }
  EXPECT_LT(std::abs(began[0] - began[1]), 60'000'000'000) << "one clock";
}

TEST_F(ProfileOf, TimesCountFromAMidnightThatTheFileNames) {
  const std::int64_t before = std::time(nullptr);
  ASSERT_EQ(lockstep({"train", "-c", "run.yaml", "--profile", "trace.json"}).code, 0);
  const std::int64_t after = std::time(nullptr);
  std::int64_t origin = -1;
  for (const json& event : json::parse(read_file(dir_ / "trace.json"))) {
    if (event["name"] == "process_labels") {
      origin = event["args"]["origin_unix_s"];
      EXPECT_EQ(origin % 86400, 0);
      EXPECT_NE(event["args"]["labels"].get<std::string>().find("T00:00:00.000Z"), std::string::npos);
    }
    if (event["ph"] != "X") continue;
    const std::int64_t at = origin + nanoseconds(event["ts"]) / 1'000'000'000;
    EXPECT_GE(at, before - 60) << "the start-up begins with the process";
    EXPECT_LE(at, after);
  }
  EXPECT_GE(origin, before - 2 * 86400);
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
