// SPDX-License-Identifier: Apache-2.0
#include "cli/status_command.h"

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/run_view.h"
#include "cli/status_text.h"
#include "cli/status_watch.h"
#include "loop/standard_streams.h"

namespace lockstep {
namespace {

struct StatusArguments {
  std::string directory;
  bool json = false;
  std::string watch_s;  // empty: once
};

void status_command(const StatusArguments& arguments, const ExtraTypes& types) {
  RunView view(arguments.directory, types);
  if (!arguments.watch_s.empty()) return watch_status(view, std::strtod(arguments.watch_s.c_str(), nullptr));
  const nlohmann::ordered_json now = view.json();
  print(arguments.json ? now.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n"
                       : status_text(now));
}

}  // namespace

void add_status_command(CLI::App& app, const ExtraTypes& types) {
  const auto arguments = std::make_shared<StatusArguments>();
  CLI::App* command = app.add_subcommand("status",
                                         "Examples:\n"
                                         "  lockstep status runs/digits\n"
                                         "  lockstep status runs/digits --watch\n\n"
                                         "Where a run is: state, attempts, step, loss, last checkpoint.");
  command->add_option("RUN_DIR", arguments->directory, "A run directory")->required();
  CLI::Option* json = command->add_flag("--json", arguments->json, "One JSON object");
  command
      ->add_flag("--watch{2}", arguments->watch_s,
                 "Look every 2 seconds, or every so many with --watch=SECONDS, until the run is over; on a "
                 "terminal with the loss as a curve")
      ->check(CLI::Range(0.1, 86400.0))
      ->excludes(json);
  command->callback([arguments, types] { status_command(*arguments, types); });
}

}  // namespace lockstep
