// SPDX-License-Identifier: Apache-2.0
#include "lockstep/cli/application.h"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <iostream>

#include "base/foreign_exception.h"
#include "cli/ckpt_command.h"
#include "cli/config_command.h"
#include "cli/doctor_command.h"
#include "cli/drill_command.h"
#include "cli/eval_command.h"
#include "cli/help_formatter.h"
#include "cli/path_arguments.h"
#include "cli/predict_command.h"
#include "cli/report_command.h"
#include "cli/run_command.h"
#include "cli/slurm_command.h"
#include "cli/standard_streams.h"
#include "cli/status_command.h"
#include "cli/train_command.h"
#include "cli/usage_error.h"
#include "comm/agree.h"
#include "comm/launch/job.h"
#include "config/environment.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "run/supervisor_line.h"

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
  finish_output();
  leave_job();
  return exit_code;
}

// A disk that does not answer keeps nobody from leaving.
constexpr auto kLastLines = std::chrono::seconds(2);

// The end of a rank that fails alone: its message goes out whatever the log is set to, and the others are
// ended too.
[[noreturn]] void end_alone(ExitCode code, const std::string& message) {
  supervisor_line().fault(code, message);
  std::fputs(fmt::format("lockstep: error: {}\n", printable(message)).c_str(), stderr);
  std::fflush(nullptr);
  flush_log(kLastLines);
  abort_job(code);
}

void add_commands(CLI::App& app, const Registries& registries, const RunWords& run_words, int& exit_code) {
  const ExtraTypes types{registries.models.types(), registries.datasets.types()};
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
  try {
    return run_command(app, argc, argv, exit_code);
  } catch (const AgreedFault& fault) {
    if (is_first_process()) supervisor_line().fault(fault.code(), fault.what());
    log_error("{}", fault.what());
    leave_job();
    return static_cast<int>(fault.code());
  } catch (const Fault& fault) {
    // All ranks were given the same words: one of them says what is wrong with these.
    if (fault.code() == ExitCode::kUsage && !is_first_process()) abort_job(fault.code());
    end_alone(fault.code(), fault.what());
  } catch (const Bug& bug) {
    end_alone(ExitCode::kBug, bug.what());
  } catch (...) {
    const ForeignException thrown = foreign_exception();
    if (thrown.kind != ForeignException::Kind::kOutOfMemory) end_alone(ExitCode::kBug, thrown.text);
    const Fault fault = out_of_memory(thrown, "this command", "Make model, batch or samples smaller");
    end_alone(fault.code(), fault.what());
  }
}

}  // namespace lockstep
