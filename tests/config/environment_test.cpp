// SPDX-License-Identifier: Apache-2.0
#include "config/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "config/array_task.h"
#include "config/effective.h"
#include "config/secrets.h"
#include "message.h"
#include "support/without_variables.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// What a launcher or a user may have set is not there; what a test sets is gone after it.
class Environment : public ::testing::Test {
 private:
  const testing::WithoutVariables unset_{
      {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "SLURM_PROCID", "SLURM_STEP_ID", "LOCKSTEP_FAULT",
       "LOCKSTEP_TERMINAL", "LOCKSTEP_GRACE_S", "LOCKSTEP_END_TIME", "SLURM_ARRAY_TASK_ID", "SECRET_THING"}};
};

TEST_F(Environment, IsAWorldOfOneWithoutALauncher) {
  EXPECT_FALSE(launch_options().launched);
}

TEST_F(Environment, KnowsMpirunAndSrun) {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK"}) {
    ::setenv(name, "2", 1);
    EXPECT_TRUE(launch_options().launched) << name;
    ::unsetenv(name);
  }
  ::setenv("SLURM_PROCID", "0", 1);
  EXPECT_FALSE(launch_options().launched) << "a batch shell is no launcher";
  ::setenv("SLURM_STEP_ID", "0", 1);
  EXPECT_TRUE(launch_options().launched);
}

TEST_F(Environment, NamesTheRunDirectoryOfAnArraysTask) {
  const std::string text = "run: {dir: \"runs/{array_task}/of-{array_task}\"}\ntrain: {steps: 1}\n";
  EXPECT_EQ(load_text(text).run.dir, "runs/{array_task}/of-{array_task}");
  EXPECT_THROW(require_array_task(load_text(text).run.dir), Fault);
  ::setenv("SLURM_ARRAY_TASK_ID", "12", 1);
  EXPECT_EQ(load_text(text).run.dir, "runs/12/of-12");
  EXPECT_EQ(load_text("train: {steps: 1}\n", {"run.dir='a-{array_task}'"}).flat.at("run.dir"), "a-12");
  EXPECT_NO_THROW(require_array_task("runs/12"));
}

TEST_F(Environment, PassesTheHintsOfTheLauncherOn) {
  EXPECT_EQ(fault_plan(), "");
  EXPECT_FALSE(launcher_terminal().has_value());
  ::setenv("LOCKSTEP_FAULT", "kill@step=3", 1);
  ::setenv("LOCKSTEP_TERMINAL", "1", 1);
  EXPECT_EQ(fault_plan(), "kill@step=3");
  EXPECT_EQ(launcher_terminal(), true);
  ::setenv("LOCKSTEP_TERMINAL", "0", 1);
  EXPECT_EQ(launcher_terminal(), false);
}

TEST_F(Environment, SaysWhenAStopHasToBeOver) {
  EXPECT_FALSE(stop_times().grace_s || stop_times().end_time);
  ::setenv("LOCKSTEP_GRACE_S", "5.5", 1);
  ::setenv("LOCKSTEP_END_TIME", "1795910400", 1);
  EXPECT_EQ(stop_times().grace_s, 5.5);
  EXPECT_EQ(stop_times().end_time, 1795910400);
  for (const char* wrong : {"soon", "-1", "5s", "nan", "1e99"}) {
    ::setenv("LOCKSTEP_GRACE_S", wrong, 1);
    EXPECT_THROW(stop_times(), Fault) << wrong;
  }
}

TEST_F(Environment, ReportsOnlyNamesOfItsList) {
  ::setenv("SECRET_THING", "hunter2", 1);
  ::setenv("OMPI_COMM_WORLD_SIZE", "4", 1);
  const auto shown = reportable_environment();
  EXPECT_THAT(shown,
              ::testing::Contains(std::make_pair(std::string("OMPI_COMM_WORLD_SIZE"), std::string("4"))));
  for (const auto& [name, value] : shown) EXPECT_NE(value, "hunter2") << name;
}

TEST(Secrets, AreKnownByTheirNames) {
  for (const char* name :
       {"token", "API_TOKEN", "run.metadata.wandb_token", "secretKey", "my-password", "tokenizer_token"})
    EXPECT_TRUE(is_secret(name)) << name;
  for (const char* name : {"lr", "tokens", "max_tokens", "note"}) EXPECT_FALSE(is_secret(name)) << name;
}

TEST(Secrets, AreNotInWhatIsShownButInWhatIsKept) {
  const RunConfig config = load_text(kSmall, {"run.metadata={deep: [{password: hunter2}], note: seen}"});
  EXPECT_THAT(effective_yaml(config, Secrets::kMask), Not(HasSubstr("hunter2")));
  EXPECT_THAT(effective_yaml(config, Secrets::kMask), HasSubstr("seen"));
  EXPECT_THAT(effective_json(config, Secrets::kMask), Not(HasSubstr("hunter2")));
  EXPECT_THAT(effective_yaml(config, Secrets::kWrite), HasSubstr("hunter2"));
}

}  // namespace
}  // namespace lockstep
