// SPDX-License-Identifier: Apache-2.0
#include "base/numa_node.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <filesystem>
#include <string>

#include "support/temp_dir.h"

namespace lockstep {
namespace {

// What /sys says of the CPUs this test may use: the i-th of them is on node_of(i).
template <class NodeOf>
std::string machine(const testing::TempDir& dir, NodeOf&& node_of) {
  cpu_set_t allowed{};
  sched_getaffinity(0, sizeof allowed, &allowed);
  for (int cpu = 0, i = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed))
      std::filesystem::create_directories(dir.path() + "/cpu" + std::to_string(cpu) + "/" + node_of(i++));
  return dir.path();
}

TEST(NumaNode, IsTheOneOfAllCpus) {
  const testing::TempDir dir;
  EXPECT_EQ(numa_node(machine(dir, [](int) { return "node3"; })), 3);
}

TEST(NumaNode, IsNoneWhereCpusAreOnSeveral) {
  const testing::TempDir dir;
  const std::string cpus = machine(dir, [](int i) { return i == 0 ? "node0" : "node1"; });
  cpu_set_t allowed{};
  sched_getaffinity(0, sizeof allowed, &allowed);
  EXPECT_EQ(numa_node(cpus).has_value(), CPU_COUNT(&allowed) == 1);
}

TEST(NumaNode, IsNoneWhereTheKernelDoesNotSay) {
  const testing::TempDir dir;
  EXPECT_EQ(numa_node(machine(dir, [](int) { return "topology"; })), std::nullopt);
  EXPECT_EQ(numa_node(dir.path() + "/absent"), std::nullopt);
}

}  // namespace
}  // namespace lockstep
