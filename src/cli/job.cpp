// SPDX-License-Identifier: Apache-2.0
#include "cli/job.h"

#include <fmt/format.h>

#include <optional>

#include "cli/load_run_config.h"
#include "comm/agree.h"
#include "comm/launch/job.h"
#include "config/effective.h"
#include "config/environment.h"
#include "lockstep/base/log.h"
#include "loop/opened_run.h"
#include "loop/same_lines.h"

namespace lockstep {
namespace {

// A rank that takes its file from a disk of its own may have an old one.
void require_same_config(World& world, const RunConfig& config) {
  require_same_lines(
      world, lines_without_paths(config), [&](const std::string& here, const std::string& root) {
        return Fault(ExitCode::kConfig,
                     fmt::format("the config is not the same on all ranks: '{}' on rank {}, '{}' on rank 0",
                                 printable(here), world.rank().value, printable(root)),
                     "Give every rank the same file and the same overrides; only paths may differ");
      });
}

bool wants_cuda(const TrainOptions& train) {
  return train.device == "cuda" || (train.device == "auto" && torch::cuda::is_available());
}

}  // namespace

Job join_job(const GivenConfig& given, const Registries& registries) {
  RunConfig config;
  std::optional<Fault> refused;
  try {
    config = load_run_config(given.file, given.overrides, registries);
  } catch (const Fault& fault) {
    refused = fault;  // told once the others can hear it
  }
  JoinOptions join;
  join.launch = launch_options();
  join.dist = config.dist;
  join.watch = config.watch;
  join.cuda = !refused && wants_cuda(config.train);
  World world = join_speaking(join);
  agree_no_fault(world, refused);
  require_same_config(world, config);
  ComputeDevice compute;
  together(world, [&] { compute = prepare_device(config.train, world.place().local_rank, config.memory); });
  return {std::move(world), std::move(config), compute};
}

}  // namespace lockstep
