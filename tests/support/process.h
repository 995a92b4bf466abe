// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace lockstep::testing {

struct ProcessResult {
  int code = -1;  // exit code, or 128 + signal
  std::string out;
  std::string err;
  bool timed_out = false;
};

struct ProcessOptions {
  std::map<std::string, std::string> environment;  // on top of this process's own
  std::string directory;                           // working directory; empty: this process's
  std::chrono::seconds limit{120};                 // then SIGKILL to its process group
};

// A child in a process group of its own. The destructor kills the group.
class Process {
 public:
  Process(const std::vector<std::string>& command, const ProcessOptions& options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // What it has written to standard output / error so far.
  std::string out() const;
  std::string err() const;
  bool running();
  ProcessResult wait();

 private:
  ProcessOptions options_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool reaped_ = false;
  std::string out_path_;
  std::string err_path_;
};

ProcessResult run(const std::vector<std::string>& command, const ProcessOptions& options = {});

// `mpirun -q -n ranks …` with the settings launch/run uses, in front of `command`.
std::vector<std::string> under_mpirun(int ranks, std::vector<std::string> command);

// The environment mpirun needs in a container.
std::map<std::string, std::string> mpi_environment();

}  // namespace lockstep::testing
