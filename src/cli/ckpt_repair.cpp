// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "shelf/repair.h"

namespace lockstep {
namespace {

struct RepairArguments {
  std::string directory;
  bool yes = false;
  bool json = false;
};

int repair(const RepairArguments& arguments) {
  const std::string folder = resolve_ckpt(arguments.directory).folder();
  const auto lock = arguments.yes ? lock_run_of(folder) : nullptr;
  OrderedJson lines = OrderedJson::array();
  const auto say = [&](const RepairLine& line) {
    const bool mended = arguments.yes && line.mendable;
    lines.push_back(
        {{"subject", line.subject}, {"finding", line.finding}, {"remedy", line.remedy}, {"mended", mended}});
    if (!arguments.json)
      print(fmt::format("{}: {}: {}{}\n", printable(line.subject), printable(line.finding),
                        mended || !line.mendable ? "" : "would be ", line.remedy));
  };
  const auto owner = arguments.yes ? std::nullopt : owner_of_run_of(folder);
  if (owner && !arguments.json)
    print(fmt::format("{} is in use by {}: what that run is about to commit looks left over\n", folder,
                      printable(*owner)));
  const bool valid =
      repair_checkpoints(real_disk(), folder, arguments.yes ? RepairMode::kMend : RepairMode::kLook, say);
  if (arguments.json)
    print(pretty({{"done", arguments.yes}, {"valid", valid}, {"findings", lines}}));
  else if (lines.empty())
    print(folder + ": nothing to repair\n");
  else if (!arguments.yes)
    print("nothing is changed without --yes\n");
  if (!valid && !arguments.json) print(folder + ": no checkpoint in it verifies\n");
  return static_cast<int>(valid ? ExitCode::kDone : ExitCode::kNoValidCheckpoint);
}

}  // namespace

void add_ckpt_repair(CLI::App& ckpt, int& exit_code) {
  CLI::App* verb = ckpt.add_subcommand(
      "repair",
      "Examples:\n"
      "  lockstep ckpt repair runs/digits\n"
      "  lockstep ckpt repair runs/digits --yes --json\n\n"
      "Verifies every checkpoint and mends the folder, or with no --yes says what it would do: leftovers go, "
      "bad checkpoints are set aside, good ones come back, a lost index.h5 is made anew, latest and best "
      "name "
      "what they should.");
  const auto arguments = std::make_shared<RepairArguments>();
  verb->add_option("DIR", arguments->directory, "A run directory or its ckpt folder")->required();
  verb->add_flag("--yes", arguments->yes, "Do it; 77 while a run has the directory");
  verb->add_flag("--json", arguments->json, "Print JSON");
  verb->callback([arguments, &exit_code] { exit_code = repair(*arguments); });
}

}  // namespace lockstep
