// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "run/gate.h"
#include "supervise/hosts.h"
#include "supervise/mpirun_job.h"
#include "supervise/process_session.h"
#include "supervise/scratch.h"

namespace lockstep {

// An attempt of a job, as far as it decides what is started.
struct LaunchParts {
  const MpirunJob& job;
  const Surroundings& around;
  const HostPool& hosts;
  int launch = 1;          // which of the job's, from 1
  bool committed = false;  // did the job ever make a commit?
};

// What an attempt starts, but for the names of its files and its token.
struct LaunchPlan {
  int ranks = 1;
  std::vector<std::string> program;  // words
  std::string program_file;          // which it is: one that is replaced is another
  std::map<std::string, std::string> environment;

  bool operator==(const LaunchPlan&) const = default;
};

// Local. Throws Fault (69) when mpirun cannot work here.
LaunchPlan plan_launch(const LaunchParts& parts);

// An mpirun, and its files on this host. Local; one thread.
class MpirunLaunch {
 public:
  enum class Begin { kNow, kAtTheGate };

  // Starts it. Its ranks speak to a supervisor at `address`. Throws Fault (69).
  MpirunLaunch(const LaunchParts& parts, std::string address, Begin begin);

  ProcessSession& mpirun() { return *mpirun_; }
  const ProcessSession& mpirun() const { return *mpirun_; }
  const LaunchPlan& plan() const { return plan_; }
  const std::string& address() const { return address_; }
  std::vector<std::string> scratch() const { return scratch_.folders(); }
  // It was started before its attempt began.
  bool stood_by() const { return gate_ != nullptr; }
  // Ranks that wait at the gate go on. False where they cannot.
  bool open_gate() { return gate_->open(plan_.ranks); }

 private:
  std::vector<std::string> command(const HostPool& hosts) const;
  std::string write_hostfile(const HostPool& hosts) const;

  LaunchPlan plan_;
  std::string address_;
  Scratch scratch_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<ProcessSession> mpirun_;
};

}  // namespace lockstep
