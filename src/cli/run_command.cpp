// SPDX-License-Identifier: Apache-2.0
#include "cli/run_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>
#include <optional>

#include "cli/config_arguments.h"
#include "cli/load_run_config.h"
#include "cli/run_under_slurm.h"
#include "cli/this_binary.h"
#include "config/environment.h"
#include "lockstep/base/error.h"
#include "loop/standard_streams.h"
#include "supervise/mpirun_job.h"
#include "supervise/mpirun_supervisor.h"
#include "supervise/unit_file.h"

namespace lockstep {
namespace {

struct RunArguments {
  ConfigArguments config;
  RunWords words;
  MpirunJob job;  // what options say of it
  std::string ranks;
  std::optional<std::string> run;
  std::optional<std::string> resume;
  std::optional<int> grace;
  int ranks_per_node = 0;
  bool unit = false;
  bool slurm = false;
};

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return std::filesystem::equivalent(a, b, error) && !error;
}

int number_of_ranks(const std::string& text) {
  int number = 0;
  const auto end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end || number < 1 || number > 999999)
    throw Fault(ExitCode::kUsage, fmt::format("-n wants the number of ranks or auto, got '{}'", text),
                "Give -n 4, or -n auto");
  return number;
}

// `4`, `auto`, or `4,2,3`: the numbers of the first attempts.
void set_ranks(const std::string& text, MpirunJob& job) {
  if (text == "auto") return;
  job.ranks = number_of_ranks(text.substr(0, text.find(',')));
  for (std::size_t comma = text.find(','); comma != std::string::npos;) {
    const std::size_t next = text.find(',', comma + 1);
    job.later_ranks.push_back(number_of_ranks(text.substr(comma + 1, next - comma - 1)));
    comma = next;
  }
}

// `lockstep train` with the config, as each rank runs it.
void plan_training(const RunArguments& arguments, const Registries& registries, MpirunJob& job) {
  const GivenConfig given = arguments.config.given();
  const std::string own = this_binary();
  const std::string binary = rank_binary().empty() ? own : rank_binary();
  if (::access(binary.c_str(), X_OK) != 0)
    throw Fault(ExitCode::kCannotStart, "LOCKSTEP_BIN names no program: " + binary, "Name one, or unset it");
  job.program = {binary, "train", "-c", given.file};
  job.program.insert(job.program.end(), given.overrides.begin(), given.overrides.end());
  if (arguments.run) job.program.insert(job.program.end(), {"--run", *arguments.run});
  // The user's choice holds until something new is saved; then going back again would undo it.
  if (arguments.resume) job.begin = {"--resume", *arguments.resume};
  job.go_on = {"--resume", "auto"};
  job.run_directory = arguments.run.value_or("");
  // Another binary may know other models: its ranks say what is wrong with the config.
  if (!is_same_file(binary, own)) return;
  // Here a config that is wrong ends it before a rank starts.
  const RunConfig config = load_run_config(given.file, given.overrides, registries);
  if (!arguments.run) job.run_directory = config.run.dir;
  job.most_ranks = static_cast<int>(config.train.global_batch / config.train.micro_batch);
  job.on_end = config.run.on_end;
}

void refuse_train_options(const RunArguments& arguments) {
  if (!arguments.config.empty() || arguments.run || arguments.resume)
    throw Fault(ExitCode::kUsage, "a config, --run and --resume do not go with a program of your own",
                "Give them to the program, behind --");
}

bool is_program(const std::string& name, const std::string& path) {
  if (name.find('/') != std::string::npos) return ::access(name.c_str(), X_OK) == 0;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    if (::access((path.substr(begin, end - begin) + "/" + name).c_str(), X_OK) == 0) return true;
    begin = end + 1;
  }
  return false;
}

MpirunJob job_of(const RunArguments& arguments, const Registries& registries) {
  MpirunJob job = arguments.job;
  if (arguments.ranks.empty())
    throw Fault(ExitCode::kUsage, "no number of ranks given", "Give -n 4, or -n auto");
  set_ranks(arguments.ranks, job);
  if (arguments.grace) job.grace = std::chrono::seconds(*arguments.grace);
  if (arguments.words.program.empty()) {
    plan_training(arguments, registries, job);
  } else {
    refuse_train_options(arguments);
    job.program = arguments.words.program;
    job.speaks = false;
    if (!is_program(job.program[0], search_path()))
      throw Fault(ExitCode::kCannotStart, "there is no program " + job.program[0], "Give its path");
  }
  if (search_path().empty())
    throw Fault(ExitCode::kCannotStart, "PATH is not set, and mpirun needs it", "Set PATH");
  if (!is_program("mpirun", search_path()))
    throw Fault(ExitCode::kCannotStart, "mpirun is missing", "Run launch/setup");
  return job;
}

int print_unit(const RunArguments& arguments) {
  UnitOptions options;
  options.directory = std::filesystem::current_path();
  options.command = {this_binary()};
  for (std::size_t i = 1; i < arguments.words.own.size(); ++i)
    if (arguments.words.own[i] != "--unit") options.command.push_back(arguments.words.own[i]);
  if (!arguments.words.program.empty()) options.command.emplace_back("--");
  options.command.insert(options.command.end(), arguments.words.program.begin(),
                         arguments.words.program.end());
  options.description = "Lockstep training in " + options.directory;
  try_print(unit_file(options));
  return 0;
}

int run_in_batch_job(const RunArguments& arguments, const Registries& registries) {
  const MpirunJob& job = arguments.job;
  if (!arguments.ranks.empty() || !job.hostfile.empty() || job.spares != 0 || !job.standby ||
      arguments.grace || arguments.unit)
    throw Fault(ExitCode::kUsage,
                "-n, --hostfile, --spares, --no-standby, --grace and --unit do not go with --slurm",
                "Slurm says how many ranks, where, and how long: see lockstep slurm init --help");
  SlurmRequest request;
  request.program = arguments.words.program;
  if (request.program.empty())
    request.config = arguments.config.given();
  else
    refuse_train_options(arguments);
  request.run = arguments.run;
  request.resume = arguments.resume;
  request.ranks_per_node = arguments.ranks_per_node;
  return run_under_slurm(request, types_of(registries));
}

int run_job(const RunArguments& arguments, const Registries& registries) {
  if (arguments.slurm) return run_in_batch_job(arguments, registries);
  if (arguments.ranks_per_node != 0)
    throw Fault(ExitCode::kUsage, "--ranks-per-node has no effect without --slurm", "Give -n");
  const MpirunJob job = job_of(arguments, registries);
  if (arguments.unit) return print_unit(arguments);
  Surroundings around;
  around.home = home_directory();
  around.temporary_folder = temporary_folder();
  around.terminal = ::isatty(STDOUT_FILENO) == 1;
  around.first_pause = first_restart_pause();
  return MpirunSupervisor(job, around).run();
}

}  // namespace

RunWords take_run_words(int& argc, char** argv) {
  RunWords words;
  if (argc < 2 || std::string(argv[1]) != "run") return words;
  int end = 2;
  while (end < argc && std::string(argv[end]) != "--") ++end;
  words.own.assign(argv, argv + end);
  if (end < argc) words.program.assign(argv + end + 1, argv + argc);
  argc = end;
  return words;
}

void add_run_command(CLI::App& app, const Registries& registries, const RunWords& words, int& exit_code) {
  const auto arguments = std::make_shared<RunArguments>();
  arguments->words = words;
  CLI::App* command = app.add_subcommand(
      "run",
      "Examples:\n"
      "  lockstep run -n 2 run.yaml\n"
      "  lockstep run -n 8 --hostfile hosts.txt run.yaml optim.lr=3e-4\n"
      "  lockstep run -n 4 -- ./mine --my-option\n"
      "  lockstep run --slurm run.yaml\n\n"
      "Runs a job under mpirun, or by srun inside a batch job, and starts it again when it ends by accident: "
      "training from the newest "
      "checkpoint, or a program of your own. INT, TERM, HUP and USR1 ask the ranks to save and stop, a "
      "second "
      "one says what it is waiting for, the third ends them; USR2 asks for a save. docs/exit-codes.md has "
      "what "
      "it does after which code.");
  arguments->config.add_to(*command);
  command
      ->add_option(
          "-n", arguments->ranks,
          "Number of ranks, or auto: as many as there are slots, GPUs or cores; 4,2,3: of the first, second, "
          "third attempt and all later ones")
      ->type_name("N");
  command
      ->add_option("--hostfile", arguments->job.hostfile, "Hosts for mpirun, lines such as `node1 slots=4`")
      ->type_name("FILE");
  command
      ->add_option("--spares", arguments->job.spares,
                   "The last K hosts of the file stand in for those that fail twice; then fewer ranks go on")
      ->type_name("K");
  command->add_option("--run", arguments->run, "Run directory, instead of run.dir")->type_name("DIR");
  command->add_option("--resume", arguments->resume,
                      "auto, must, never, or the path of a checkpoint or run: until the first save");
  command
      ->add_option("--grace", arguments->grace,
                   "Seconds the ranks have to save when asked to stop; then they are ended")
      ->check(CLI::Range(1, 1000000))
      ->type_name("S");
  command->add_flag_callback(
      "--no-standby", [arguments] { arguments->job.standby = false; },
      "Do not load the next attempt's ranks before they are needed: their memory stays free, and a restart "
      "takes 0.2 s "
      "longer");
  command->add_flag("--slurm", arguments->slurm, "In a batch job: start the ranks by srun");
  command
      ->add_option("--ranks-per-node", arguments->ranks_per_node,
                   "With --slurm; default: what sbatch was told")
      ->check(CLI::Range(1, 1024));
  command->add_flag("--unit", arguments->unit, "Print a systemd unit that starts this after a reboot");
  command->callback([arguments, &registries, &exit_code] { exit_code = run_job(*arguments, registries); });
}

}  // namespace lockstep
