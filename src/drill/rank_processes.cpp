// SPDX-License-Identifier: Apache-2.0
#include "drill/rank_processes.h"

#include <dirent.h>

#include <cstdlib>
#include <sstream>
#include <string>

#include "base/process_text.h"

namespace lockstep {
namespace {

// -1 when it is gone, or is only waiting to be reaped.
pid_t parent_of(pid_t process) {
  const std::string stat = process_text(process, "stat");
  const auto name_end = stat.rfind(')');
  if (name_end == std::string::npos) return -1;
  std::istringstream rest(stat.substr(name_end + 1));
  std::string state;
  pid_t parent = -1;
  rest >> state >> parent;
  return state == "Z" || state == "X" ? -1 : parent;
}

}  // namespace

std::vector<pid_t> children_of(pid_t process) {
  std::vector<pid_t> children;
  DIR* folder = ::opendir("/proc");
  if (folder == nullptr) return children;
  while (const dirent* entry = ::readdir(folder))
    if (const pid_t one = std::atoi(entry->d_name); one > 0 && parent_of(one) == process)
      children.push_back(one);
  ::closedir(folder);
  return children;
}

pid_t rank_process(pid_t supervisor, int rank) {
  const std::string word = '\0' + ("OMPI_COMM_WORLD_RANK=" + std::to_string(rank)) + '\0';
  for (const pid_t launcher : children_of(supervisor))
    for (const pid_t one : children_of(launcher))
      if (process_text(one, "environ").find(word) != std::string::npos) return one;
  return -1;
}

}  // namespace lockstep
