// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "support/process.h"
#include "support/temp_dir.h"

namespace lockstep::testing {

using Json = nlohmann::json;

enum class Launcher {
  kNone,        // the binary alone: a world of one
  kMpirun,      // mpirun
  kSupervisor,  // launch/run: restarts
};

inline void PrintTo(Launcher launcher, std::ostream* out) {
  *out << std::array{"none", "mpirun", "supervisor"}.at(static_cast<std::size_t>(launcher));
}

// How a job is started.
struct Start {
  int ranks = 1;
  Launcher launcher = Launcher::kMpirun;
  std::string fault;                   // LOCKSTEP_FAULT
  std::vector<std::string> overrides;  // key=value
  std::vector<std::string> before;     // words in front of the command: strace, a shell with a limit
  // With kMpirun, words in front of the binary for each rank: strace of that rank alone. `ranks` lists, or
  // none.
  std::vector<std::vector<std::string>> before_rank;
  std::string binary = LOCKSTEP_BINARY;  // or a program with models of its own; not with kSupervisor

  // By 2 ranks on one host and 1 on another, which network namespaces of this machine are.
  void on_two_hosts();
};

// Why this machine makes no two hosts; empty where it does.
const std::string& no_hosts();

// A small training job in a folder of its own, driven through the real binary as a user does: config.yaml,
// data and the run directory `run` are in there.
class Job {
 public:
  explicit Job(const std::string& config);

  std::string path(const std::string& name) const { return folder_ / name; }
  std::string run() const { return folder_ / "run"; }
  std::string checkpoints() const { return run() + "/ckpt"; }
  std::string checkpoint(int step) const;

  // The command line and the environment of a start.
  std::vector<std::string> command(const Start& start) const;
  ProcessOptions options(const Start& start) const;
  // Starts it and waits for its end.
  ProcessResult train(const Start& start) const;

  // What the run left. state_hash() is DONE's, empty when there is none.
  std::string state_hash() const;
  std::vector<Json> metrics() const;
  std::vector<Json> events(const std::string& name = "") const;
  // The last attempt's line of every step, without what differs from life to life: step to line.
  std::map<int, Json> history() const;
  // Names in ckpt/ that are not hidden, sorted.
  std::vector<std::string> checkpoint_names() const;
  // Files and folders in ckpt/ that unfinished work left.
  int leftovers() const;
  // `lockstep ckpt verify` says so.
  bool verifies(const std::string& directory) const;
  // `lockstep ckpt show --json`.
  Json show(const std::string& directory) const;

  // The float32 tensors of a step's checkpoint by group and name, read from the bytes its manifest points at.
  std::map<std::string, std::vector<float>> floats(int step) const;

  // Processes alive whose command line names this job's folder.
  std::vector<pid_t> processes() const;
  // Whether none is left after that time at most.
  bool all_gone_within(std::chrono::seconds limit) const;

 private:
  TempDir folder_;
};

// Whether it became true in time.
bool wait_until(const std::function<bool()>& holds, std::chrono::seconds limit = std::chrono::seconds(30));

// Whether SIGSTOP holds this process.
bool is_stopped(pid_t process);

// Lines of the file a fault plan names: how often it fired.
int injections(const std::string& file);
std::vector<std::string> lines_of(const std::string& file);

// Saves are not asynchronous in these, so that a test knows what is committed when a step begins.
// 12 steps of 12 micro-batches, three steps a checkpoint, evaluated every 4; 10 steps an epoch.
std::string mlp_config();
// 3 steps of 12 micro-batches with BatchNorm, a checkpoint each.
std::string resnet_config();
// 2 steps of 2 micro-batches of resnet18 with AdamW, 134 MB a checkpoint: split, whole, integer and 0-dim
// tensors. Each save prunes the one before.
std::string resnet18_adamw_config();
// 4 steps of 12 micro-batches with attention and dropout, a checkpoint each, on files that write_text()
// makes.
std::string gpt_config();
void write_text(const Job& job);

// The state hash of an undisturbed run of this config in a world of one.
std::string reference_hash(const std::string& config, const std::vector<std::string>& overrides = {});

}  // namespace lockstep::testing
