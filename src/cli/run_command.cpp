// SPDX-License-Identifier: Apache-2.0
#include "cli/run_command.h"

#include <memory>

#include "cli/run_under_slurm.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

struct RunArguments {
  ConfigArguments config;
  SlurmRequest request;
  bool slurm = false;
};

}  // namespace

void add_run_command(CLI::App& app, const ExtraTypes& types, int& exit_code) {
  const auto arguments = std::make_shared<RunArguments>();
  CLI::App* command = app.add_subcommand("run",
                                         "Examples:\n"
                                         "  lockstep run --slurm run.yaml optim.lr=3e-4\n"
                                         "  lockstep run --slurm --ranks-per-node 8 run.yaml\n\n"
                                         "Trains until done, over crashes, time limits and preemptions.");
  arguments->config.add_to(*command);
  command->add_flag("--slurm", arguments->slurm, "In a batch job: start the ranks by srun");
  command->add_option("--ranks-per-node", arguments->request.ranks_per_node, "Default: what sbatch was told")
      ->check(CLI::Range(1, 1024));
  command->add_option("--run", arguments->request.run, "Run directory, instead of run.dir")->type_name("DIR");
  command->add_option("--resume", arguments->request.resume,
                      "For the first start; after a commit it is auto");
  command->callback([arguments, types, &exit_code] {
    if (!arguments->slurm)
      throw Fault(ExitCode::kUsage, "run: --slurm is missing", "See lockstep run --help");
    arguments->request.config = arguments->config.given();
    exit_code = run_under_slurm(arguments->request, types);
  });
}

}  // namespace lockstep
