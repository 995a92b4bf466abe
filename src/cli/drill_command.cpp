// SPDX-License-Identifier: Apache-2.0
#include "cli/drill_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <optional>

#include "cli/config_arguments.h"
#include "cli/drill_folder.h"
#include "cli/tensor_difference.h"
#include "cli/this_binary.h"
#include "config/environment.h"
#include "config/load.h"
#include "drill/drill_plan.h"
#include "drill/drill_table.h"
#include "drill/drilled_run.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "lockstep/base/random.h"
#include "loop/standard_streams.h"

namespace lockstep {
namespace {

constexpr int kDefaultKills = 5;
// As of `ckpt diff`: the two are not the same.
constexpr int kNotTheSame = 1;

struct DrillArguments {
  ConfigArguments config;
  std::optional<int> kills;
  int hangs = 0;
  int full_disks = 0;
  std::vector<std::string> faults;
  std::vector<int> ranks = {2};
  std::optional<std::uint64_t> seed;
  std::string dir;
  int patience = 900;
  Launcher launcher = Launcher::kMpirun;
  bool keep = false;
  bool json = false;
};

// What a drill has to know of itself, and finds out.
struct Drill {
  GivenConfig given;
  RunConfig config;
  std::uint64_t seed = 0;
  DrilledRun undisturbed;
  DrilledRun disturbed;
  std::string difference;  // the first tensor that differs
};

std::uint64_t some_seed() {
  const auto now = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  return mix_key({now, static_cast<std::uint64_t>(::getpid())}) % 1000000;
}

// The ranks of a batch job, all of which have to be on this machine to be struck.
int ranks_of_job() {
  const SlurmPlace place = slurm_place();
  const char* const remedy =
      "Start it by sbatch --nodes=1 --ntasks=4 --wrap 'lockstep drill --slurm -c run.yaml'";
  if (place.job.empty() || place.tasks < 1)
    throw Fault(ExitCode::kCannotStart, "--slurm: this is no batch job that says how many tasks it has",
                remedy);
  if (place.nodes > 1)
    throw Fault(ExitCode::kCannotStart,
                fmt::format("--slurm: the job has {} nodes, and ranks are struck on one", place.nodes),
                remedy);
  return place.tasks;
}

// A drill of a config that does not promise the same bits, or never comes back, would tell nothing.
void refuse_unfit(const RunConfig& config, const std::vector<int>& ranks) {
  const bool one_size = std::all_of(ranks.begin(), ranks.end(), [&](int n) { return n == ranks[0]; });
  if (config.dist.reduce != "exact" && !one_size)
    throw Fault(
        ExitCode::kConfig,
        "dist.reduce: " + config.dist.reduce + " gives the same bits on the same number of ranks only",
        "Give dist.reduce=exact, or one number to --ranks");
  const std::int64_t micro_batches = config.train.global_batch / config.train.micro_batch;
  for (const int n : ranks)
    if (n < 1 || n > micro_batches)
      throw Fault(ExitCode::kConfig, fmt::format("{} ranks cannot share {} micro-batches", n, micro_batches),
                  fmt::format("Give --ranks from 1 to {}", micro_batches));
  const CheckpointOptions& saves = config.checkpoint;
  const bool never = saves.every_steps == 0 && saves.every_minutes == 0;
  if (never ||
      (config.train.steps > 0 && saves.every_minutes == 0 && saves.every_steps >= config.train.steps))
    throw Fault(ExitCode::kConfig, "no checkpoint is saved before the end: there is nothing to come back to",
                "Give a checkpoint.every_steps that is smaller than train.steps");
}

RunOrder order_of(const Drill& drill, const DrillArguments& arguments, const DrillFolder& folder,
                  const std::string& name) {
  RunOrder order;
  order.program = {this_binary(), "run"};
  order.launcher = arguments.launcher;
  order.config = {"-c", drill.given.file};
  order.config.insert(order.config.end(), drill.given.overrides.begin(), drill.given.overrides.end());
  // Each step is followed in the journal; nobody is told of the end of a rehearsal.
  order.config.insert(order.config.end(),
                      {"log.every_steps=1", "run.on_end=null", "--run", folder.run(name)});
  order.directory = folder.run(name);
  order.log = folder.log(name);
  order.ranks = arguments.ranks;
  order.patience = std::chrono::seconds(arguments.patience);
  return order;
}

// The last error that a run has told; empty when it told none.
std::string last_error(const std::string& log) {
  static const std::string kMark = "lockstep: error: ";
  std::ifstream in(log);
  std::string error;
  for (std::string line; std::getline(in, line);)
    if (line.rfind(kMark, 0) == 0) error = line.substr(kMark.size());
  return error;
}

DrilledRun run_undisturbed(const RunOrder& order) {
  DrilledRun run = drill(order, {});
  if (run.code == 0 && run.finds.empty()) return run;
  const std::string error = last_error(order.log);
  const std::string why = run.finds.empty() ? fmt::format("it ended with {}", run.code) : run.finds[0];
  throw Fault(run.code == 0 ? ExitCode::kBug : static_cast<ExitCode>(run.code),
              "the undisturbed run does not end well: " + (error.empty() ? why : error),
              "All it said is in " + order.log);
}

std::string first_difference(const std::string& undisturbed, const std::string& disturbed) {
  const auto first = open_tensors(undisturbed);
  const auto second = open_tensors(disturbed);
  for (const TensorComparison& row : compare_tensors(*first, *second).rows)
    if (row.outcome != TensorComparison::Outcome::kEqual) return difference_line(row);
  return "";
}

// Different bits are a fault of this program only where the config has bits of its own: does it, run twice?
std::string why_different(const Drill& drill, const DrillArguments& arguments, const DrillFolder& folder) {
  DrilledRun again = run_undisturbed(order_of(drill, arguments, folder, "undisturbed-again"));
  if (compare_commits(drill.undisturbed, again))
    return "two undisturbed runs are equal: a fault changed the bits";
  return "two undisturbed runs differ as well: this config does not give the same bits twice (a model or "
         "data "
         "of its own that draws without the seed?)";
}

void show(const Drill& drill, const DrillArguments& arguments, const std::vector<std::string>& wrong,
          const DrillFolder& folder) {
  const auto& end = *drill.undisturbed.commits.rbegin();
  if (arguments.json) {
    nlohmann::ordered_json json = {{"seed", drill.seed},
                                   {"steps", end.first},
                                   {"ranks", arguments.ranks},
                                   {"undisturbed_s", drill.undisturbed.seconds},
                                   {"disturbed_s", drill.disturbed.seconds},
                                   {"state_hash", end.second},
                                   {"faults", drill_rows(drill.disturbed.faults)},
                                   {"wrong", wrong},
                                   {"folder", folder.path()}};
    print(json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
    return;
  }
  print(fmt::format("seed {}; undisturbed {:.1f} s, disturbed {:.1f} s; {} steps, state {}\n\n", drill.seed,
                    drill.undisturbed.seconds, drill.disturbed.seconds, end.first, end.second));
  print(drill_table(drill.disturbed.faults, drill.difference.substr(0, drill.difference.find(' '))) + "\n");
  for (const std::string& line : wrong) print(line + "\n");
  print(wrong.empty() ? "all came back with the same bits\n"
                      : fmt::format("kept for you: {}\n", printable(folder.path())));
}

int run_drill(DrillArguments arguments, const ExtraTypes& types) {
  if (arguments.launcher == Launcher::kSlurm) arguments.ranks = {ranks_of_job()};
  Drill drill;
  drill.given = arguments.config.given();
  drill.config = load_config(drill.given.file, drill.given.overrides, types);
  refuse_unfit(drill.config, arguments.ranks);
  drill.seed = arguments.seed.value_or(some_seed());
  const std::string beside = fmt::format("{}.drill-{}", drill.config.run.dir, drill.seed);
  DrillFolder folder(arguments.dir.empty() ? beside : arguments.dir, drill.config.run.dir);
  log_info("drill with seed {} in {}", drill.seed, folder.path());

  DrillWishes wishes{.kills = arguments.kills.value_or(kDefaultKills),
                     .hangs = arguments.hangs,
                     .full_disks = arguments.full_disks,
                     .chosen = arguments.faults,
                     .ranks = arguments.ranks,
                     .steps = drill.config.train.steps,
                     .seed = drill.seed};
  if (wishes.steps > 0) plan_drill(wishes);  // what cannot be is said before anything runs
  drill.undisturbed = run_undisturbed(order_of(drill, arguments, folder, "undisturbed"));
  wishes.steps = drill.undisturbed.commits.rbegin()->first;
  drill.disturbed = lockstep::drill(order_of(drill, arguments, folder, "disturbed"), plan_drill(wishes));

  const bool same = compare_commits(drill.undisturbed, drill.disturbed);
  std::vector<std::string> wrong = what_went_wrong(drill.disturbed, same);
  if (drill.disturbed.code == 0 && !same) {
    drill.difference = first_difference(folder.run("undisturbed"), folder.run("disturbed"));
    if (!drill.difference.empty()) wrong.push_back(drill.difference.substr(0, drill.difference.find('\n')));
    wrong.push_back(why_different(drill, arguments, folder));
  }
  if (const std::string error = last_error(folder.log("disturbed"));
      drill.disturbed.code != 0 && !error.empty())
    wrong.push_back("its last error: " + error);
  show(drill, arguments, wrong, folder);
  if (wrong.empty() && !arguments.keep) folder.may_go();
  return wrong.empty() ? static_cast<int>(ExitCode::kDone) : kNotTheSame;
}

}  // namespace

void add_drill_command(CLI::App& app, const ExtraTypes& types, int& exit_code) {
  const auto arguments = std::make_shared<DrillArguments>();
  CLI::App* command = app.add_subcommand(
      "drill",
      "Examples:\n"
      "  lockstep drill -c run.yaml\n"
      "  lockstep drill -c run.yaml train.steps=500 --kills 3 --hang --full-disk --ranks 4,2,3\n\n"
      "Runs a config twice, once undisturbed and once struck by faults on purpose, and prints how soon each "
      "was "
      "noticed, how soon training went on, and whether the bits stayed the same: 0 when all came back with "
      "the "
      "same bits, else 1. The run's own directory is not touched.");
  arguments->config.add_to(*command);
  command->add_option("--kills", arguments->kills, "Random ranks killed at random steps; default: 5")
      ->check(CLI::Range(0, 1000))
      ->type_name("N");
  command->add_flag("--hang", arguments->hangs,
                    "Also stop a random rank at a random step (SIGSTOP); twice: two of them");
  command->add_flag("--full-disk", arguments->full_disks,
                    "Also let rank 0 write no file from a random step on");
  command
      ->add_option("--fault", arguments->faults,
                   "Instead of random ones: kill:1@120, hang@50, disk@80 (rank random where none is given)")
      ->allow_extra_args(false)
      ->type_name("KIND[:RANK]@STEP");
  CLI::Option* const ranks =
      command
          ->add_option("--ranks", arguments->ranks, "Number of ranks of the first, second, … life, and again")
          ->delimiter(',')
          ->allow_extra_args(false)
          ->check(CLI::Range(1, 10000))
          ->type_name("N[,N…]")
          ->capture_default_str();
  command
      ->add_flag_callback(
          "--slurm", [arguments] { arguments->launcher = Launcher::kSlurm; },
          "Inside a batch job of one node: its ranks, started by srun")
      ->excludes(ranks);
  command->add_option("--seed", arguments->seed, "Of what is random; default: a new one, which is printed")
      ->type_name("S");
  command->add_option("--dir", arguments->dir, "A new folder for both runs; default: run.dir.drill-SEED")
      ->type_name("DIR");
  command->add_option("--patience", arguments->patience, "Seconds without news after which it gives up")
      ->check(CLI::Range(10, 1000000))
      ->capture_default_str()
      ->type_name("S");
  command->add_flag("--keep", arguments->keep, "Keep the folder also when all went well");
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback([arguments, types, &exit_code] { exit_code = run_drill(*arguments, types); });
}

}  // namespace lockstep
