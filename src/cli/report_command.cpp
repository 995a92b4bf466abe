// SPDX-License-Identifier: Apache-2.0
#include "cli/report_command.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lockstep/base/disk.h"
#include "lockstep/base/log.h"
#include "loop/standard_streams.h"
#include "report/page.h"

namespace lockstep {
namespace {

struct ReportArguments {
  std::vector<std::string> runs;
  std::string output = "report.html";
};

// Two runs of one name are told apart by their directories.
void name_apart(std::vector<RunStory>& runs, const std::vector<std::string>& directories) {
  std::map<std::string, int> times;
  for (const RunStory& run : runs) ++times[run.name];
  for (std::size_t i = 0; i < runs.size(); ++i)
    if (times[runs[i].name] > 1) runs[i].name = directories[i];
}

void report_command(const ReportArguments& arguments) {
  std::vector<RunStory> runs;
  for (const std::string& directory : arguments.runs) runs.push_back(read_run_story(real_disk(), directory));
  name_apart(runs, arguments.runs);
  replace_text(real_disk(), arguments.output, report_page(runs));
  print(printable(arguments.output) + "\n");
}

}  // namespace

void add_report_command(CLI::App& app) {
  const auto arguments = std::make_shared<ReportArguments>();
  CLI::App* command = app.add_subcommand("report",
                                         "Examples:\n"
                                         "  lockstep report runs/digits\n"
                                         "  lockstep report runs/a runs/b -o both.html\n\n"
                                         "One HTML page about runs: curves, attempts, checkpoints, events.");
  command->add_option("RUN_DIR", arguments->runs, "Run directories; several are overlaid")->required();
  command->add_option("-o,--output", arguments->output, "The page to write")->capture_default_str();
  command->callback([arguments] { report_command(*arguments); });
}

}  // namespace lockstep
