// SPDX-License-Identifier: Apache-2.0
#include "base/process_memory.h"

#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "base/process_text.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

std::uint64_t bytes_of(std::istringstream& number) {
  std::uint64_t kilobytes = 0;
  number >> kilobytes;
  return kilobytes * 1024;
}

// Pages of files that are mapped to be read, of private mappings (the program's) and of shared ones. What
// lies in memory alone has a path too.
struct FilePages {
  bool is_file = false;
  bool is_shared = false;

  // "7f12…-7f13… r-xp 00000000 08:01 1234   /usr/lib/libc.so.6"
  explicit FilePages(const std::string& head) {
    std::istringstream words(head);
    std::string range, rights, offset, device, inode, path;
    words >> range >> rights >> offset >> device >> inode >> path;
    is_shared = rights.size() > 3 && rights[3] == 's';
    is_file = path.starts_with('/') && !path.starts_with("/memfd:") && !path.starts_with("/dev/") &&
              !path.starts_with("/SYSV");
  }
};

bool begins_mapping(const std::string& line) {
  const auto dash = line.find('-');
  return dash != std::string::npos && dash < line.find_first_of(" :");
}

}  // namespace

ProcessMemory process_memory_of(const std::string& rollup, const std::string& mappings) {
  ProcessMemory found;
  std::istringstream sums(rollup);
  for (std::string line; std::getline(sums, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (name == "Pss_Anon:") found.own = bytes_of(words);
    if (name == "Pss_Shmem:") found.common = bytes_of(words);
  }
  std::istringstream lines(mappings);
  FilePages mapping("");
  for (std::string line; std::getline(lines, line);) {
    if (begins_mapping(line)) {
      mapping = FilePages(line);
      continue;
    }
    std::istringstream words(line);
    std::string name;
    words >> name;
    if (!mapping.is_file || (name != "Rss:" && name != "Anonymous:")) continue;
    std::uint64_t& pages = mapping.is_shared ? found.mapped : found.program;
    // Written pages of a private mapping are no longer the file's.
    const std::uint64_t bytes = bytes_of(words);
    name == "Rss:" ? pages += bytes : pages -= std::min(pages, bytes);
  }
  return found;
}

ProcessMemory process_memory() {
  const std::string rollup = process_text(::getpid(), "smaps_rollup");
  if (rollup.find("Pss_Anon:") == std::string::npos)
    throw Fault(ExitCode::kCannotStart, "/proc/self/smaps_rollup does not say what memory this process takes",
                "Linux 5.1 and later have it");
  return process_memory_of(rollup, process_text(::getpid(), "smaps"));
}

}  // namespace lockstep
