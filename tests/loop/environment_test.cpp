// SPDX-License-Identifier: Apache-2.0
#include "loop/environment.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "config/environment.h"
#include "optim/kernels/update_kernels.h"
#include "support/temp_dir.h"
#include "support/without_variables.h"

namespace lockstep {
namespace {

constexpr Step kResumed{50};

class ResumedUpdates : public ::testing::Test {
 protected:
  Environment here() const { return describe_environment({}); }
  static Environment without(Environment environment, const std::string& key) {
    environment.erase(key);
    return environment;
  }
  // The events that the change makes, as they are in the journal.
  std::string events_of(const Environment& before, const Environment& now) {
    const testing::TempDir folder;
    Reporter reporter(Journal(real_disk(), real_clock(), folder.path(), Attempt(1)),
                      Progress(real_clock(), {}, [](const std::string&) {}), 1);
    note_change(before, now, kResumed, reporter);
    reporter.flush();
    const std::string journal = folder / "events.jsonl";
    return std::filesystem::exists(journal) ? testing::read_file(journal) : "";
  }

 private:
  // A site may choose kernels for all that runs on its machines, by any of them.
  static std::vector<std::string> variables_that_choose() {
    std::vector<std::string> names = {"GLIBC_TUNABLES"};
    for (const auto& [name, value] : reportable_environment()) names.push_back(name);
    return names;
  }
  const testing::WithoutVariables unset_{variables_that_choose()};
};

TEST_F(ResumedUpdates, OfOurOwnKernelsRecordTheirVersion) {
  EXPECT_EQ(here().at("update_kernels"), std::to_string(kUpdateKernels));
  EXPECT_EQ(describe_environment({torch::Device(torch::kCUDA), torch::kFloat32}).at("update_kernels"),
            "aten");
}

TEST_F(ResumedUpdates, BehindACheckpointOfATensKernelsWarnOnce) {
  const std::string events = events_of(without(here(), "update_kernels"), here());
  EXPECT_NE(events.find("environment_changed"), std::string::npos) << events;
  EXPECT_NE(events.find("update_kernels aten -> " + std::to_string(kUpdateKernels)), std::string::npos)
      << events;
  EXPECT_NE(events.find("51"), std::string::npos) << events;
  EXPECT_EQ(events.find("environment_changed"), events.rfind("environment_changed"));
}

TEST_F(ResumedUpdates, WithVariablesThatChooseKernelsWarn) {
  for (const char* name : {"MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS"}) {
    const Environment before = here();
    ASSERT_EQ(::getenv(name), nullptr);
    ::setenv(name, "AVX2", 1);
    const Environment now = here();
    ::unsetenv(name);
    EXPECT_EQ(difference(before, now), std::string("kernel_choice default -> ") + name + "=AVX2");
    EXPECT_NE(events_of(now, before).find(std::string(name) + "=AVX2 -> default"), std::string::npos);
    // What an older checkpoint does not say is not compared.
    EXPECT_EQ(events_of(without(before, "kernel_choice"), now), "");
  }
}

TEST_F(ResumedUpdates, KnowWhichTunablesOfTheCLibraryChooseKernels) {
  ::setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=1:glibc.cpu.hwcaps=-AVX2", 1);
  const std::string chosen = here().at("kernel_choice");
  ::unsetenv("GLIBC_TUNABLES");
  EXPECT_EQ(chosen, "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2");
}

TEST_F(ResumedUpdates, OfTheSameVersionOrOfAForeignFileSayNothing) {
  EXPECT_EQ(events_of(here(), here()), "");
  EXPECT_EQ(events_of({}, here()), "");
}

TEST_F(ResumedUpdates, OnADeviceGoOnWithATensKernelsAndSayNothing) {
  Environment device = here();
  device["update_kernels"] = "aten";
  EXPECT_EQ(events_of(without(device, "update_kernels"), device), "");
}

}  // namespace
}  // namespace lockstep
