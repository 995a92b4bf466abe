// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "comm/options.h"
#include "comm/watch/options.h"
#include "lockstep/data/options.h"
#include "lockstep/models/options.h"
#include "memory/options.h"
#include "optim/options.h"
#include "shelf/options.h"
#include "train/options.h"

namespace lockstep {

// Everything a config says, checked, with defaults filled in and paths made absolute (run.dir stays relative
// to the working directory).
struct RunConfig {
  std::int64_t version = 1;
  RunOptions run;
  ModelOptions model;
  DataOptions data;
  TrainOptions train;
  OptimOptions optim;
  ScheduleOptions schedule;
  NumberOptions numbers;
  DistOptions dist;
  MemoryOptions memory;
  WatchOptions watch;
  CheckpointOptions checkpoint;
  ResumeOptions resume;
  LogIntervals log;
  // Every key that applies → its effective value in canonical form: what a manifest records and a resume
  // compares.
  std::map<std::string, std::string> flat;
};

}  // namespace lockstep
