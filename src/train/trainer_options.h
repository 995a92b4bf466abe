// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "comm/options.h"
#include "exchange/weight_names.h"
#include "optim/options.h"
#include "run/options.h"
#include "shelf/options.h"
#include "train/options.h"

namespace lockstep {

// How to train: the sections of a config that the loop itself needs.
struct TrainerOptions {
  RunOptions run;
  TrainOptions train;
  OptimOptions optim;
  ScheduleOptions schedule;
  DistOptions dist;
  NumberOptions numbers;
  std::int64_t replica_hash_every = 500;
  CheckpointOptions checkpoint;
  ResumeOptions resume;
  LogIntervals log;
  bool shuffle = true;
  std::optional<std::int64_t> ignore_label;
  std::int64_t workers = 1;  // data.workers
  std::string weights;       // a new run starts from these; a resumed one ignores them
  NameRules weights_names;
  std::map<std::string, std::string> config;  // flat, for the manifests
};

}  // namespace lockstep
