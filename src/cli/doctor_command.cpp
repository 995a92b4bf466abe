// SPDX-License-Identifier: Apache-2.0
#include "cli/doctor_command.h"

#include <fmt/format.h>

#include <memory>
#include <string>

#include "base/run_layout.h"
#include "cli/ckpt_common.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "run/stop_signals.h"
#include "shelf/storage_probe.h"

namespace lockstep {
namespace {

struct DoctorArguments {
  std::string run = ".";
  bool json = false;
};

// Where the checkpoints of that run lie, or what is there so far of the way to it.
std::string folder_of(const std::string& run) {
  const auto checkpoints = real_disk().info(RunLayout(run).checkpoints());
  if (checkpoints && checkpoints->is_directory) return RunLayout(run).checkpoints();
  std::string folder = run;
  while (!real_disk().info(folder)) folder = parent_of(folder);
  if (!real_disk().info(folder)->is_directory)
    throw Fault(ExitCode::kRunDirectory, folder + ": is not a folder (symbolic links are not followed)",
                "Choose another run.dir");
  return folder;
}

const char* word_of(StorageGrade grade) {
  return grade == StorageGrade::kOk ? "ok" : grade == StorageGrade::kWarn ? "warn" : "bad";
}

int doctor(const DoctorArguments& arguments) {
  // A signal, or a file that reaches the limit on its size, ends nothing before all is removed again.
  listen_for_stop_signals();
  const std::string folder = folder_of(arguments.run);
  bool usable = true;
  OrderedJson lines = OrderedJson::array();
  std::string text;
  for (const StorageFinding& line : probe_storage(real_disk(), folder)) {
    const char* grade = word_of(line.grade);
    usable = usable && line.grade != StorageGrade::kBad;
    lines.push_back(
        {{"grade", grade}, {"what", line.what}, {"found", line.found}, {"meaning", line.meaning}});
    text += fmt::format("{:<5} {:<13} {}{}\n", grade, line.what, printable(line.found),
                        line.meaning.empty() ? "" : "; " + printable(line.meaning));
  }
  if (arguments.json)
    print(pretty({{"folder", folder}, {"usable", usable}, {"findings", lines}}));
  else
    print(fmt::format("folder {}\n{}", printable(folder), text));
  return static_cast<int>(usable ? ExitCode::kDone : ExitCode::kRunDirectory);
}

}  // namespace

void add_doctor_command(CLI::App& app, int& exit_code) {
  const auto arguments = std::make_shared<DoctorArguments>();
  CLI::App* command =
      app.add_subcommand("doctor",
                         "Examples:\n"
                         "  lockstep doctor\n"
                         "  lockstep doctor --run runs/digits --json\n\n"
                         "Says what a file system has and lacks for a run, a line each: ok, warn or bad.");
  command
      ->add_option("--run", arguments->run,
                   "A run directory, or where one is to be; else the working directory. What is made there "
                   "to try is removed")
      ->type_name("DIR");
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback([arguments, &exit_code] { exit_code = doctor(*arguments); });
}

}  // namespace lockstep
