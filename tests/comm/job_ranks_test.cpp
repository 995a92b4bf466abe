// SPDX-License-Identifier: Apache-2.0
#include "comm/launch/job.h"

#include <gtest/gtest.h>

#include "comm/agree.h"
#include "support/ranks_main.h"

namespace lockstep {
namespace {

JoinOptions launched() {
  JoinOptions options;
  options.launch.launched = true;
  return options;
}

ExitCode code_of_joining(const JoinOptions& options) {
  try {
    join_world(options);
  } catch (const AgreedFault& fault) {
    return fault.code();
  }
  return ExitCode::kDone;
}

TEST(Job, SecondWorldOfTheSameProcessesWorks) {
  World world = join_world(launched());
  EXPECT_EQ(world.rank(), test_world().rank());
  EXPECT_EQ(world.host().backend(), "mpi");
  EXPECT_EQ(agree_max(world, world.rank().value).value, world.size().value - 1);
}

TEST(Job, WithoutALauncherEachProcessIsAWorldOfOne) {
  World world = join_world({});
  EXPECT_EQ(world.size().value, 1);
  EXPECT_EQ(world.host().backend(), "loopback");
}

TEST(Job, BackendThatDoesNotFitTheDeviceIsRefusedByAll) {
  JoinOptions options = launched();
  options.dist.backend = "nccl";
  EXPECT_EQ(code_of_joining(options), ExitCode::kConfig);
  options.dist.backend = "mpi";
  options.cuda = true;
  EXPECT_EQ(code_of_joining(options), ExitCode::kConfig);
}

TEST(Job, RanksWithDifferentDevicesAreRefusedByAll) {
  if (test_world().size().value == 1) return;
  JoinOptions options = launched();
  options.cuda = test_world().is_root();
  EXPECT_EQ(code_of_joining(options), ExitCode::kConfig);
}

TEST(Job, MoreRanksThanGpusCannotStart) {
  JoinOptions options = launched();
  options.cuda = true;
  if (test_world().size().value <= cuda_device_count()) return;
  EXPECT_EQ(code_of_joining(options), ExitCode::kCannotStart);
}

}  // namespace
}  // namespace lockstep
