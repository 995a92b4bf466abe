// SPDX-License-Identifier: Apache-2.0
#include "cli/config_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

struct Outcome {
  int code = 0;
  std::string output;
};

// What `lockstep <arguments>` prints and returns; Faults pass through.
Outcome run(const std::vector<std::string>& arguments) {
  CLI::App app("lockstep");
  Outcome outcome;
  add_config_command(app, {}, outcome.code);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  ::testing::internal::CaptureStdout();
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    outcome.output = app.help();
  } catch (...) {
    ::testing::internal::GetCapturedStdout();
    throw;
  }
  std::fflush(stdout);
  outcome.output += ::testing::internal::GetCapturedStdout();
  return outcome;
}

class ConfigCommand : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }

  fs::path folder_ = fs::temp_directory_path() / ("lockstep_config_command_" + std::to_string(::getpid()));
};

TEST_F(ConfigCommand, CheckSaysThatAConfigIsValidOrWhereItIsNot) {
  const std::string good = write("good.yaml", "data: {type: synthetic}\ntrain: {steps: 3}\n");
  EXPECT_THAT(run({"config", "check", "-c", good, "run.name=x"}).output,
              HasSubstr("valid (run x, directory runs/x)"));
  const std::string bad = write("bad.yaml", "train:\n  stepz: 3\n");
  try {
    run({"config", "check", "-c", bad});
    FAIL() << "nothing was refused";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    EXPECT_EQ(fault.what(), bad + ":2:3: train.stepz: unknown key. Did you mean train.steps?");
  }
}

TEST_F(ConfigCommand, ShowPrintsAConfigThatLoadsAgain) {
  const std::string file = write("a.yaml", "data: {type: synthetic}\ntrain: {steps: 3}\n");
  const std::string again = write("b.yaml", run({"config", "show", "-c", file, "optim.lr=0.5"}).output);
  EXPECT_EQ(run({"config", "diff", file, again}).output, "optim.lr: 0.001 -> 0.5\n");
}

TEST_F(ConfigCommand, ShowAsJsonIsNestedAndMasksSecrets) {
  const std::string file =
      write("a.yaml", "data: {type: synthetic}\ntrain: {steps: 3}\nrun: {metadata: {password: hunter2}}\n");
  const Outcome outcome = run({"config", "show", "-c", file, "--json"});
  const auto json = nlohmann::json::parse(outcome.output);
  EXPECT_EQ(json["run"]["dir"], "runs/run");
  EXPECT_EQ(json["train"]["epochs"], nullptr);
  EXPECT_THAT(outcome.output, Not(HasSubstr("hunter2")));
}

TEST_F(ConfigCommand, DiffEndsWithZeroForEqualAndOneForDifferent) {
  const std::string a = write("a.yaml", "data: {type: synthetic}\ntrain: {steps: 3}\n");
  const std::string b =
      write("b.yaml", "# the same\ndata: {type: synthetic}\ntrain:\n  steps: 3\noptim: {lr: 1e-3}\n");
  const std::string c = write("c.yaml", "data: {type: synthetic}\ntrain: {steps: 4}\noptim: {type: sgd}\n");
  EXPECT_EQ(run({"config", "diff", a, b}).code, 0);
  EXPECT_EQ(run({"config", "diff", a, b, "--json"}).output, "[]\n");
  const Outcome outcome = run({"config", "diff", a, c, "--json"});
  EXPECT_EQ(outcome.code, 1);
  const auto rows = nlohmann::json::parse(outcome.output);
  const nlohmann::json steps = {{"key", "train.steps"}, {"a", "3"}, {"b", "4"}};
  const nlohmann::json betas = {{"key", "optim.betas"}, {"a", "[0.9, 0.999]"}, {"b", "(none)"}};
  EXPECT_THAT(rows, ::testing::Contains(steps));
  EXPECT_THAT(rows, ::testing::Contains(betas));
}

TEST_F(ConfigCommand, SchemaAndInitPrintWhatTheyPromise) {
  EXPECT_EQ(nlohmann::json::parse(run({"config", "schema"}).output)["type"], "object");
  EXPECT_THAT(run({"config", "schema", "--markdown"}).output, StartsWith("# Config\n"));
  const std::string file = write("init.yaml", run({"config", "init"}).output);
  EXPECT_THAT(run({"config", "check", "-c", file}).output, HasSubstr("valid"));
}

TEST_F(ConfigCommand, HelpOpensWithTwoExamples) {
  for (const std::string verb : {"check", "show", "diff", "schema", "init"})
    EXPECT_THAT(run({"config", verb, "--help"}).output, StartsWith("Examples:\n  lockstep config " + verb))
        << verb;
  EXPECT_THAT(run({"config", "--help"}).output, StartsWith("Examples:\n  lockstep config "));
}

TEST_F(ConfigCommand, RefusesAVerbItDoesNotKnow) {
  EXPECT_THROW(run({"config", "chekc"}), CLI::ParseError);
  EXPECT_THROW(run({"config"}), CLI::ParseError);
  EXPECT_THROW(run({"config", "check"}), Fault);
}

}  // namespace
}  // namespace lockstep
