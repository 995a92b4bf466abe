// SPDX-License-Identifier: Apache-2.0
#include "supervise/hosts.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "lockstep/base/error.h"

namespace lockstep {

std::vector<Host> read_hostfile(const std::string& path) {
  std::ifstream in(path);
  if (!in)
    throw Fault(ExitCode::kInputMissing, "cannot read the hostfile " + path,
                "Give a file with a host a line");
  std::vector<Host> hosts;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    Host host;
    if (!(words >> host.name)) continue;
    host.line = line;
    for (std::string word; words >> word;)
      if (word.starts_with("slots=")) host.slots = std::max(1, std::atoi(word.c_str() + 6));
    hosts.push_back(host);
  }
  if (hosts.empty())
    throw Fault(ExitCode::kInputMissing, "the hostfile " + path + " names no host",
                "Write lines such as: node1 slots=4");
  return hosts;
}

HostPool::HostPool(std::vector<Host> hosts, int spares) : hosts_(std::move(hosts)), wanted_(hosts_.size()) {
  if (spares < 0 || static_cast<std::size_t>(spares) >= std::max<std::size_t>(1, hosts_.size()))
    throw Fault(ExitCode::kUsage,
                fmt::format("--spares {}: the hostfile has {} hosts", spares, hosts_.size()),
                "Leave at least one host to begin with");
  wanted_ = hosts_.size() - static_cast<std::size_t>(spares);
}

std::vector<Host> HostPool::active() const {
  const std::size_t count = std::min(wanted_, hosts_.size());
  return {hosts_.begin(), hosts_.begin() + static_cast<std::ptrdiff_t>(count)};
}

int HostPool::slots() const {
  int slots = 0;
  for (const Host& host : active()) slots += host.slots;
  return slots;
}

std::vector<std::string> HostPool::names() const {
  std::vector<std::string> names;
  for (const Host& host : active()) names.push_back(host.name);
  return names;
}

bool HostPool::drop(const std::string& name) {
  if (hosts_.size() <= 1) return false;
  return std::erase_if(hosts_, [&](const Host& host) { return host.name == name; }) > 0;
}

bool is_here(const std::string& host) {
  char own[256] = "";
  ::gethostname(own, sizeof own - 1);
  const std::string name = own;
  return host == "localhost" || host == "127.0.0.1" || host == name || host == name.substr(0, name.find('.'));
}

}  // namespace lockstep
