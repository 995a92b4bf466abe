// SPDX-License-Identifier: Apache-2.0
#include "cli/slurm_command.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/shell_word.h"
#include "cli/config_arguments.h"
#include "config/load.h"
#include "lockstep/base/error.h"
#include "loop/standard_streams.h"
#include "supervise/slurm/script.h"

namespace lockstep {
namespace {

struct InitArguments {
  ConfigArguments config;
  SlurmScript script;
  std::optional<int> ranks;
  std::optional<int> cpus;
  bool requeue = false;
};

// The command line that makes the same script again.
std::string command_line(const CLI::App& verb) {
  std::string text = "lockstep slurm init";
  for (const CLI::Option* option : verb.get_options()) {
    if (option->count() == 0) continue;
    const bool flag = option->get_items_expected_max() == 0;
    if (option->nonpositional() && flag) text += " " + option->get_name();
    for (const std::string& value : option->results())
      if (!flag) text += (option->nonpositional() ? " " + option->get_name() : "") + " " + shell_word(value);
  }
  return text;
}

// This very program, which the nodes find at the same place where the file system is shared.
std::string own_path() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "lockstep" : path.string();
}

void init_command(InitArguments& arguments, const CLI::App& verb, const ExtraTypes& types) {
  SlurmScript& script = arguments.script;
  const GivenConfig given = arguments.config.given();
  const RunConfig run = load_config(given.file, given.overrides, types);
  if (arguments.requeue && script.chain > 0)
    throw Fault(ExitCode::kUsage, "--requeue and --chain: a chain is for where jobs are not requeued",
                "Leave one of them out");
  if (script.chain > 0 && run.run.dir.find("{array_task}") != std::string::npos)
    throw Fault(ExitCode::kUsage, "--chain: its jobs go on with one run, and run.dir has {array_task}",
                "Give run.dir=DIR");
  script.config = given.file;
  script.overrides = given.overrides;
  script.job_name = run.run.name;
  script.binary = own_path();
  script.written_by = command_line(verb);
  script.ranks_per_node = arguments.ranks.value_or(std::max(1, script.gpus_per_node));
  script.cpus_per_node = arguments.cpus.value_or(script.ranks_per_node * run.train.threads);
  check_slurm_script(script);
  print(slurm_script(script));
}

void add_options(CLI::App& verb, InitArguments& arguments) {
  SlurmScript& script = arguments.script;
  arguments.config.add_to(verb);
  verb.add_option("--partition", script.partition, "Of the cluster (sinfo lists them)");
  verb.add_option("--account", script.account, "Whom the time is charged to");
  verb.add_option("--nodes", script.nodes, "Such as 2, or 1-4: with what of them is free")
      ->capture_default_str();
  verb.add_option("--gpus", script.gpus_per_node, "GPUs of a node; then a rank each")
      ->check(CLI::Range(0, 64));
  verb.add_option("--ranks-per-node", arguments.ranks, "Default: a GPU each, else 1")
      ->check(CLI::Range(1, 1024));
  verb.add_option("--cpus", arguments.cpus, "CPUs of a node; default: train.threads for each rank")
      ->check(CLI::Range(1, 4096));
  verb.add_option("--time", script.time, "Time limit of a job, such as 04:00:00");
  verb.add_option("--lead", script.lead_s, "Seconds before the limit at which the ranks save")
      ->capture_default_str()
      ->check(CLI::Range(1, 65535));
  verb.add_option("--array", script.array, "Tasks, such as 0-9: name run.dir after {array_task}");
  verb.add_flag("--requeue", arguments.requeue, "Go on by requeue (default)");
  verb.add_option("--chain", script.chain, "Where requeue is off: N jobs, one after the other")
      ->check(CLI::Range(1, 1000));
  verb.add_option("--modules", script.modules, "Modules to load")->allow_extra_args(false)->delimiter(',');
  verb.add_option("--container", script.container, "Apptainer image; the ranks run the lockstep in it");
}

}  // namespace

void add_slurm_command(CLI::App& app, const ExtraTypes& types) {
  CLI::App* slurm =
      app.add_subcommand("slurm",
                         "Examples:\n"
                         "  lockstep slurm init -c run.yaml --nodes 1-4 --gpus 8 > train.sbatch\n"
                         "  sbatch train.sbatch optim.lr=1e-4\n\n"
                         "Batch scripts for a Slurm cluster.");
  slurm->require_subcommand(1);
  const auto arguments = std::make_shared<InitArguments>();
  CLI::App* verb = slurm->add_subcommand(
      "init",
      "Examples:\n"
      "  lockstep slurm init -c run.yaml --partition gpu --nodes 1-4 --gpus 8 --time 04:00:00 > "
      "train.sbatch\n"
      "  lockstep slurm init -c run.yaml --array 0-9 'run.dir=runs/sweep-{array_task}' > sweep.sbatch\n\n"
      "Prints a batch script: it trains until done, over time limits, preemptions and dead nodes.");
  add_options(*verb, *arguments);
  verb->callback([arguments, verb, types] { init_command(*arguments, *verb, types); });
}

}  // namespace lockstep
