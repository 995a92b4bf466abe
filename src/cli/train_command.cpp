// SPDX-License-Identifier: Apache-2.0
#include "cli/train_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "cli/describe_training.h"
#include "cli/job.h"
#include "cli/prepare_training.h"
#include "config/environment.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "loop/profile.h"
#include "loop/standard_streams.h"
#include "run/stop_signals.h"
#include "run/supervisor_line.h"
#include "train/trainer.h"

namespace lockstep {
namespace {

struct TrainArguments {
  ConfigArguments config;
  std::optional<std::string> run;
  std::optional<std::string> resume;
  std::optional<std::string> profile;
  bool dry_run = false;
};

// As YAML reads it back: a path may be called null, 1e3, "a: b" or #x.
std::string quoted(const char* flag, const std::string& path) {
  if (path.empty())
    throw Fault(ExitCode::kUsage, std::string(flag) + " is empty", "Name a folder, or leave it out");
  try {
    return nlohmann::json(path).dump(-1, ' ', /*ensure_ascii=*/true);
  } catch (const nlohmann::json::exception&) {
    throw Fault(ExitCode::kUsage, std::string(flag) + ": the path " + printable(path) + " is not UTF-8",
                "A run's config and its checkpoints hold UTF-8 text: rename it, or make a link to it");
  }
}

// --run and --resume are overrides with names of their own, and win over the config.
GivenConfig with_flags(const TrainArguments& arguments) {
  GivenConfig config = arguments.config.given();
  if (arguments.run) config.overrides.push_back("run.dir=" + quoted("--run", *arguments.run));
  if (arguments.resume) config.overrides.push_back("resume.mode=" + quoted("--resume", *arguments.resume));
  return config;
}

// What a finished run that is started again did not do, and how it would.
std::string nothing_trained(const Ending& ending, const std::vector<ConfigChange>& changes,
                            const RunConfig& config) {
  std::vector<std::string> keys;
  bool retention = false;
  for (const ConfigChange& change : changes) {
    keys.push_back(change.key);
    retention = retention || change.key.starts_with("checkpoint.keep_");
  }
  const std::string changed = keys.empty() ? "" : fmt::format("{} changed, ", fmt::join(keys, ", "));
  const std::string pruned =
      retention ? fmt::format(" and nothing removed (lockstep ckpt prune {} does that)", config.run.dir) : "";
  return fmt::format("DONE at step {}; {}nothing trained{}; raise {} to go on", ending.step.value, changed,
                     pruned, config.train.epochs > 0 ? "train.epochs" : "train.steps");
}

int train_command(const TrainArguments& arguments, const Registries& registries) {
  // Before all that touches the run, reads the config or tells anybody of this rank.
  if (!supervisor_line().pass_gate(gate_path())) return 0;
  listen_for_stop_signals();
  supervisor_line().join(supervisor_address(), rank_by_launcher());
  Job job = join_job(with_flags(arguments), registries);
  if (arguments.dry_run) return describe_training(job, registries);
  if (job.world.is_root()) answer_stop_signals();
  std::optional<Profile> profile;
  if (arguments.profile) profile.emplace(job.world, *arguments.profile);
  Preparation made = prepare_training(job, registries);
  Trainer trainer(std::move(made.parts), made.options);
  const Ending ending = trainer.run();
  const bool speaks = job.world.is_root() && ending.code == ExitCode::kDone;
  if (speaks && !ending.trained)
    try_print(fmt::format("{}\n", nothing_trained(ending, *made.changes, job.config)));
  if (speaks)
    try_print(fmt::format("done: step {}  state {}  in {}\n", ending.step.value, ending.state_hash.hex(),
                          job.config.run.dir));
  if (job.world.is_root() && ending.code == ExitCode::kRequeue)
    try_print(fmt::format("stopped: saved at step {}; go on with the same command\n", ending.step.value));
  if (job.world.is_root()) supervisor_line().ended(ending.code);
  return static_cast<int>(ending.code);
}

}  // namespace

void add_train_command(CLI::App& app, const Registries& registries, int& exit_code) {
  const auto arguments = std::make_shared<TrainArguments>();
  CLI::App* command =
      app.add_subcommand("train",
                         "Examples:\n"
                         "  lockstep train -c configs/digits.yaml\n"
                         "  mpirun -n 4 lockstep train -c run.yaml optim.lr=1e-4 --resume must\n\n"
                         "Trains, or goes on training: resumes from the newest good checkpoint.");
  arguments->config.add_to(*command);
  command->add_option("--run", arguments->run, "Run directory, instead of run.dir")->type_name("DIR");
  command->add_option("--resume", arguments->resume, "auto, must, never, or the path of a checkpoint or run");
  command
      ->add_option("--profile", arguments->profile,
                   "Write what each rank does and when, as a Chrome trace (ui.perfetto.dev opens it); with "
                   "several ranks FILE gets .rank-N before its ending")
      ->type_name("FILE");
  command->add_flag("--dry-run", arguments->dry_run,
                    "Say what would be done, and what memory it takes: computes a "
                    "micro-batch, writes nothing");
  command->callback(
      [arguments, &registries, &exit_code] { exit_code = train_command(*arguments, registries); });
}

}  // namespace lockstep
