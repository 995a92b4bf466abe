// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace lockstep {

struct Host {
  std::string name;
  int slots = 1;
  std::string line;  // as the hostfile has it
};

// Local. The hosts of a file in Open MPI's format (`name slots=4`). Throws Fault (66) when it cannot be read
// or names none.
std::vector<Host> read_hostfile(const std::string& path);

// The hosts a job may use: the first ones, and spares that take the place of those that are dropped. Local.
class HostPool {
 public:
  HostPool() = default;
  HostPool(std::vector<Host> hosts, int spares);

  // Those that are in use now.
  std::vector<Host> active() const;
  int slots() const;
  bool empty() const { return hosts_.empty(); }
  std::vector<std::string> names() const;
  // False when it is the last one, which stays.
  bool drop(const std::string& name);

 private:
  std::vector<Host> hosts_;
  std::size_t wanted_ = 0;
};

// Local. Is it this machine?
bool is_here(const std::string& host);

}  // namespace lockstep
