// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_quota.h"

#include <algorithm>
#include <fstream>
#include <limits>

namespace lockstep {
namespace {

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

// Version 2 has "quota period" in one file, "max" for no quota; version 1 a file for each, -1 for none.
double quota_in(const std::string& group) {
  double quota = 0, period = 0;
  std::ifstream both(group + "/cpu.max");
  if (both >> quota >> period && period > 0) return quota / period;
  std::ifstream first(group + "/cpu.cfs_quota_us"), second(group + "/cpu.cfs_period_us");
  if (first >> quota && second >> period && quota > 0 && period > 0) return quota / period;
  return kUnlimited;
}

// A container may see the path that its host has for it, and only its own group below the mount.
double least_above(const std::string& root, std::string path) {
  double least = quota_in(root);
  for (; path.size() > 1; path.resize(path.rfind('/'))) least = std::min(least, quota_in(root + path));
  return least;
}

}  // namespace

double cpu_quota(const std::string& list, const std::string& mount) {
  std::ifstream file(list);
  double least = kUnlimited;
  // "0::/path" of version 2, "4:cpu,cpuacct:/path" of version 1.
  for (std::string line; std::getline(file, line);) {
    const auto names = line.find(':');
    const auto path = line.find(":/");
    if (names == std::string::npos || path == std::string::npos) continue;
    const std::string controllers = "," + line.substr(names + 1, path - std::min(path, names + 1)) + ",";
    if (line.starts_with("0::"))
      least = std::min(least, least_above(mount, line.substr(path + 1)));
    else if (controllers.find(",cpu,") != std::string::npos)
      least = std::min(least, least_above(mount + "/cpu", line.substr(path + 1)));
  }
  return least;
}

}  // namespace lockstep
