// SPDX-License-Identifier: Apache-2.0
#include "base/available_memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace lockstep {
namespace {

constexpr std::uint64_t kUnknown = std::numeric_limits<std::uint64_t>::max();

// The number at the start of a file of the kernel; unknown for "max", or where there is no such file.
std::uint64_t number_in(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  return file >> number ? number : kUnknown;
}

// The number behind `name` in a file of lines "name number".
std::uint64_t number_of(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  for (std::string word; file >> word >> number;)
    if (word == name) return number;
  return kUnknown;
}

std::uint64_t memory_of_machine() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::uint64_t kilobytes = 0;
  for (std::string unit; file >> name >> kilobytes && std::getline(file, unit);)
    if (name == "MemAvailable:") return kilobytes * 1024;
  return kUnknown;
}

// Where a version of control groups says what.
struct GroupFiles {
  const char* limit;
  const char* used;
  const char*
      cached;  // in memory.stat: pages of files that nobody has read lately, given back when asked for
};
constexpr GroupFiles kVersion1 = {"/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file"};
constexpr GroupFiles kVersion2 = {"/memory.max", "/memory.current", "inactive_file"};

std::uint64_t left_in(const std::string& group, const GroupFiles& files) {
  const std::uint64_t limit = number_in(group + files.limit);
  std::uint64_t used = number_in(group + files.used);
  if (limit == kUnknown || used == kUnknown) return kUnknown;
  const std::uint64_t cached = number_of(group + "/memory.stat", files.cached);
  if (cached != kUnknown) used -= std::min(used, cached);
  return limit > used ? limit - used : 0;
}

// A container may see the path that its host has for it, and only its own group below the mount.
std::uint64_t left_above(const std::string& root, std::string path, const GroupFiles& files) {
  std::uint64_t left = left_in(root, files);
  for (; path.size() > 1; path.resize(path.rfind('/'))) left = std::min(left, left_in(root + path, files));
  return left;
}

}  // namespace

std::uint64_t memory_left_by_groups(const std::string& list, const std::string& mount) {
  std::ifstream file(list);
  std::uint64_t left = kUnknown;
  // "0::/path" of version 2, "4:memory,other:/path" of version 1.
  for (std::string line; std::getline(file, line);) {
    const auto names = line.find(':');
    const auto path = line.find(":/");
    if (names == std::string::npos || path == std::string::npos) continue;
    const std::string controllers = "," + line.substr(names + 1, path - std::min(path, names + 1)) + ",";
    if (line.starts_with("0::"))
      left = std::min(left, left_above(mount, line.substr(path + 1), kVersion2));
    else if (controllers.find(",memory,") != std::string::npos)
      left = std::min(left, left_above(mount + "/memory", line.substr(path + 1), kVersion1));
  }
  return left;
}

std::uint64_t available_memory() {
  return std::min(memory_of_machine(), memory_left_by_groups("/proc/self/cgroup", "/sys/fs/cgroup"));
}

std::uint64_t machine_memory() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace lockstep
