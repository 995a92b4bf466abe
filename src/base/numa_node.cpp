// SPDX-License-Identifier: Apache-2.0
#include "base/numa_node.h"

#include <sched.h>

#include <charconv>
#include <filesystem>
#include <set>

namespace lockstep {
namespace {

// A CPU's folder has a link "node3".
std::optional<int> node_of(const std::string& cpu) {
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(cpu, failed)) {
    const std::string name = entry.path().filename().string();
    int node = 0;
    if (!name.starts_with("node")) continue;
    const auto read = std::from_chars(name.data() + 4, name.data() + name.size(), node);
    if (read.ec == std::errc() && read.ptr == name.data() + name.size()) return node;
  }
  return std::nullopt;
}

}  // namespace

std::optional<int> numa_node(const std::string& cpus) {
  cpu_set_t allowed{};
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return std::nullopt;
  std::set<std::optional<int>> nodes;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) nodes.insert(node_of(cpus + "/cpu" + std::to_string(cpu)));
  return nodes.size() == 1 ? *nodes.begin() : std::nullopt;
}

}  // namespace lockstep
