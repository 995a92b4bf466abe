// SPDX-License-Identifier: Apache-2.0
#include "config/array_task.h"

#include "config/environment.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

const std::string kTask = "{array_task}";

}  // namespace

std::string with_array_task(const std::string& dir) {
  const std::string task = array_task();
  std::string named = dir;
  if (task.empty()) return named;
  for (auto at = named.find(kTask); at != std::string::npos; at = named.find(kTask, at + task.size()))
    named.replace(at, kTask.size(), task);
  return named;
}

void require_array_task(const std::string& dir) {
  if (dir.find(kTask) == std::string::npos) return;
  throw Fault(ExitCode::kConfig,
              "run.dir " + printable(dir) +
                  " has the number of an array's task, and this is no task of a Slurm array",
              "Submit it with sbatch --array, or name a directory: run.dir=DIR");
}

}  // namespace lockstep
