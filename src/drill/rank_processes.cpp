// SPDX-License-Identifier: Apache-2.0
#include "drill/rank_processes.h"

#include <dirent.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/process_text.h"

namespace lockstep {
namespace {

// -1 when it is gone, or is only waiting to be reaped.
pid_t parent_of(pid_t process) {
  const std::vector<std::string> stat = process_stat(process);
  return stat.size() < 2 || stat[0] == "Z" || stat[0] == "X" ? -1 : std::atoi(stat[1].c_str());
}

// In the kernel's unit; the largest number there is when it is gone.
std::uint64_t start_of(pid_t process) {
  constexpr std::size_t kStartTime = 19;
  const std::vector<std::string> stat = process_stat(process);
  return stat.size() > kStartTime ? std::strtoull(stat[kStartTime].c_str(), nullptr, 10) : UINT64_MAX;
}

template <class Wanted>
std::vector<pid_t> processes(Wanted&& wanted) {
  std::vector<pid_t> found;
  DIR* folder = ::opendir("/proc");
  if (folder == nullptr) return found;
  while (const dirent* entry = ::readdir(folder))
    if (const pid_t one = std::atoi(entry->d_name); one > 0 && wanted(one)) found.push_back(one);
  ::closedir(folder);
  return found;
}

bool has_word(const std::string& text, const std::string& word) {
  return ('\0' + text).find('\0' + word + '\0') != std::string::npos;
}

}  // namespace

std::vector<pid_t> children_of(pid_t process) {
  return processes([&](pid_t one) { return parent_of(one) == process; });
}

std::string family_of(pid_t process) {
  const std::vector<std::string> stat = process_stat(process);
  if (stat.empty()) return "none";
  std::string name = process_text(process, "comm");
  if (name.ends_with('\n')) name.pop_back();
  std::string text = fmt::format("{} {} ({})", process, name, stat.front());
  for (const pid_t child : children_of(process)) text += ", " + family_of(child);
  return text;
}

pid_t rank_process(pid_t supervisor, int rank) {
  const std::string word = "OMPI_COMM_WORLD_RANK=" + std::to_string(rank);
  std::vector<pid_t> launchers = children_of(supervisor);
  // A second one has the ranks of the next attempt, which wait.
  std::sort(launchers.begin(), launchers.end(), [](pid_t a, pid_t b) { return start_of(a) < start_of(b); });
  for (const pid_t launcher : launchers)
    for (const pid_t one : children_of(launcher))
      if (has_word(process_text(one, "environ"), word)) return one;
  return -1;
}

pid_t slurm_rank_process(const std::string& run_directory, int rank) {
  const std::string word = "SLURM_PROCID=" + std::to_string(rank);
  // srun itself names the command too, and so does the supervisor of rank 0's number: neither trains.
  const auto trains_here = [&](const std::string& command) {
    const auto program = command.find('\0');
    return program != std::string::npos && command.compare(program, 7, std::string("\0train\0", 7)) == 0 &&
           has_word(command, run_directory);
  };
  const std::vector<pid_t> found = processes([&](pid_t one) {
    return trains_here(process_text(one, "cmdline")) && has_word(process_text(one, "environ"), word) &&
           parent_of(one) > 0;
  });
  return found.empty() ? -1 : found.front();
}

}  // namespace lockstep
