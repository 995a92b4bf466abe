// SPDX-License-Identifier: Apache-2.0
#include "cli/run_under_slurm.h"

#include <filesystem>

#include "cli/this_binary.h"
#include "config/array_task.h"
#include "config/environment.h"
#include "config/load.h"
#include "supervise/line_server.h"
#include "supervise/signal_inbox.h"
#include "supervise/slurm/supervisor.h"

namespace lockstep {
namespace {

SlurmRunOptions training(const SlurmRequest& request, const ExtraTypes& types) {
  const GivenConfig& given = *request.config;
  const RunConfig config = load_config(given.file, given.overrides, types);
  SlurmRunOptions options;
  options.run_directory =
      std::filesystem::absolute(request.run.value_or(with_array_task(config.run.dir))).string();
  require_array_task(options.run_directory);
  options.program = {this_binary(), "train", "-c", given.file};
  options.program.insert(options.program.end(), given.overrides.begin(), given.overrides.end());
  if (request.run) options.program.insert(options.program.end(), {"--run", *request.run});
  options.on_end = config.run.on_end;
  options.go_on = {"--resume", "auto"};
  return options;
}

}  // namespace

int run_under_slurm(const SlurmRequest& request, const ExtraTypes& types) {
  SignalInbox signals;
  SlurmRunOptions options = request.config ? training(request, types) : SlurmRunOptions{};
  if (!request.config) options.program = request.program;
  if (request.resume) options.first = {"--resume", *request.resume};
  options.place = slurm_place();
  options.ranks_per_node = request.ranks_per_node;
  LineServer ranks(/*all_addresses=*/true);
  return SlurmSupervisor(std::move(options), signals, ranks).run();
}

}  // namespace lockstep
