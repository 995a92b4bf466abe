// SPDX-License-Identifier: Apache-2.0
#include "cli/usage_error.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "config/nearest.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using Names = std::vector<std::string>;

Names command_names(const CLI::App& app) {
  Names names;
  for (const CLI::App* command : app.get_subcommands(std::function<bool(const CLI::App*)>()))
    names.push_back(command->get_name());
  return names;
}

Names option_names(const CLI::App& app) {
  Names names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back(name);
  return names;
}

std::string did_you_mean(const std::string& word, const Names& names, const std::string& dashes) {
  const std::string nearest = nearest_key(word, names);
  return nearest.empty() ? "" : "Did you mean " + dashes + nearest + "? ";
}

struct LastCommand {
  const CLI::App* app;
  std::string name;  // as typed: "lockstep ckpt ls"
  Names extras;      // what was left over there
};

// The last command that was understood; or the first on the way to it that something was left over at.
LastCommand where_it_ended(const CLI::App& root) {
  LastCommand place{&root, root.get_name(), root.remaining()};
  while (place.extras.empty() && !place.app->get_subcommands().empty()) {
    const CLI::App* next = place.app->get_subcommands().front();
    place = {next, place.name + " " + next->get_name(), next->remaining()};
  }
  return place;
}

Fault refused(std::string fact, std::string remedy) {
  return {ExitCode::kUsage, std::move(fact), std::move(remedy)};
}

Fault about_extra(const LastCommand& place) {
  const std::string& extra = place.extras.front();
  const std::string help = "See " + place.name + " --help";
  if (extra.size() > 1 && extra[0] == '-') {
    const std::string name = extra.substr(0, extra.find('='));
    const std::string bare = name.substr(std::min(name.find_first_not_of('-'), name.size()));
    if (bare.find('.') != std::string::npos && extra.starts_with("--"))
      return refused(place.name + " has no option " + name,
                     "Keys of the config are set without dashes, as in optim.lr=1e-4. " + help);
    return refused(place.name + " has no option " + name,
                   did_you_mean(bare, option_names(*place.app), "--") + help);
  }
  const Names commands = command_names(*place.app);
  if (!commands.empty() && place.app->get_subcommands().empty())
    return refused(place.name + " has no command " + extra, did_you_mean(extra, commands, "") + help);
  return refused("unexpected argument " + extra, help);
}

}  // namespace

std::string usage_message(const CLI::App& app, const CLI::ParseError& error) {
  const LastCommand place = where_it_ended(app);
  if (!place.extras.empty()) return about_extra(place).what();
  return refused(error.what(), "See " + place.name + " --help").what();
}

}  // namespace lockstep
