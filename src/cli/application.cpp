// SPDX-License-Identifier: Apache-2.0
#include "lockstep/cli/application.h"

#include <CLI/CLI.hpp>

#include <iostream>

#include "cli/ckpt_command.h"
#include "cli/config_command.h"
#include "cli/doctor_command.h"
#include "cli/drill_command.h"
#include "cli/eval_command.h"
#include "cli/help_formatter.h"
#include "cli/load_run_config.h"
#include "cli/path_arguments.h"
#include "cli/predict_command.h"
#include "cli/report_command.h"
#include "cli/run_command.h"
#include "cli/slurm_command.h"
#include "cli/status_command.h"
#include "cli/train_command.h"
#include "cli/usage_error.h"
#include "lockstep/base/error.h"
#include "loop/one_catch.h"
#include "loop/standard_streams.h"

namespace lockstep {
namespace {

int run_command(CLI::App& app, int argc, char** argv, const int& exit_code) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) throw Fault(ExitCode::kUsage, usage_message(app, error));
    app.exit(error);  // --help, --version
    std::cout.flush();
  }
  return exit_code;
}

void add_commands(CLI::App& app, const Registries& registries, const RunWords& run_words, int& exit_code) {
  const ExtraTypes types = types_of(registries);
  add_train_command(app, registries, exit_code);
  add_run_command(app, registries, run_words, exit_code);
  add_eval_command(app, registries, exit_code);
  add_predict_command(app, registries);
  add_status_command(app, types);
  add_report_command(app);
  add_config_command(app, types, exit_code);
  add_ckpt_command(app, registries, exit_code);
  add_doctor_command(app, exit_code);
  add_drill_command(app, types, exit_code);
  add_slurm_command(app, types);
}

}  // namespace

int run_application(int argc, char** argv, const Registries& registries) {
  take_standard_streams();
  CLI::App app(
      "Examples:\n"
      "  lockstep train -c configs/digits.yaml\n"
      "  lockstep ckpt ls runs/digits\n\n"
      "Distributed training for LibTorch that survives: the run that was killed is, bit for bit, the run "
      "that was not.",
      "lockstep");
  app.formatter(std::make_shared<HelpFormatter>());
  app.require_subcommand(1);
  app.set_version_flag("--version", "lockstep 0.1.0");
  int exit_code = 0;
  const RunWords run_words = take_run_words(argc, argv);
  add_commands(app, registries, run_words, exit_code);
  expand_paths_in(app);
  return with_the_one_catch("this command", [&] { return run_command(app, argc, argv, exit_code); });
}

}  // namespace lockstep
