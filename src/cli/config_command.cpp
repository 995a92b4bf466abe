// SPDX-License-Identifier: Apache-2.0
#include "cli/config_command.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "cli/config_arguments.h"
#include "config/effective.h"
#include "config/load.h"
#include "config/resume_check.h"
#include "config/schema_print.h"
#include "loop/standard_streams.h"

namespace lockstep {
namespace {

// What the options of one subcommand are parsed into; kept alive by its callback.
struct VerbArguments {
  ConfigArguments config;
  std::string one;    // of diff
  std::string other;  // of diff
  bool json = false;
  bool markdown = false;
};

CLI::App* add_verb(CLI::App& config, const std::string& name, const std::string& help) {
  return config.add_subcommand(name, help);
}

void add_check(CLI::App& config, const ExtraTypes& types) {
  auto arguments = std::make_shared<VerbArguments>();
  CLI::App* verb = add_verb(config, "check",
                            "Examples:\n"
                            "  lockstep config check -c run.yaml\n"
                            "  lockstep config check -c run.yaml optim.lr=3e-4 train.steps=1000\n\n"
                            "Checks a config; says where it is wrong (exit code 78).");
  arguments->config.add_to(*verb);
  verb->callback([arguments, types] {
    const GivenConfig given = arguments->config.given();
    const RunConfig run = load_config(given.file, given.overrides, types);
    print(given.file + ": valid (run " + run.run.name + ", directory " + run.run.dir + ")\n");
  });
}

void add_show(CLI::App& config, const ExtraTypes& types) {
  auto arguments = std::make_shared<VerbArguments>();
  CLI::App* verb =
      add_verb(config, "show",
               "Examples:\n"
               "  lockstep config show -c run.yaml optim.lr=3e-4\n"
               "  lockstep config show -c run.yaml --json\n\n"
               "Prints what a run would use: defaults filled in, overrides applied, secrets masked.");
  arguments->config.add_to(*verb);
  verb->add_flag("--json", arguments->json, "One JSON object");
  verb->callback([arguments, types] {
    const GivenConfig given = arguments->config.given();
    const RunConfig run = load_config(given.file, given.overrides, types);
    print(arguments->json ? effective_json(run, Secrets::kMask) + "\n" : effective_yaml(run, Secrets::kMask));
  });
}

// Two configs side by side: every key that applies to either.
std::vector<ConfigChange> differences(const RunConfig& a, const RunConfig& b) {
  std::set<std::string> keys;
  for (const auto& [key, value] : a.flat) keys.insert(key);
  for (const auto& [key, value] : b.flat) keys.insert(key);
  std::vector<ConfigChange> rows;
  for (const std::string& key : keys) {
    const auto in_a = a.flat.find(key);
    const auto in_b = b.flat.find(key);
    const std::string left = in_a == a.flat.end() ? "(none)" : in_a->second;
    const std::string right = in_b == b.flat.end() ? "(none)" : in_b->second;
    if (left != right) rows.push_back(masked({key, left, right}));
  }
  return rows;
}

void add_diff(CLI::App& config, const ExtraTypes& types, int& exit_code) {
  auto arguments = std::make_shared<VerbArguments>();
  CLI::App* verb = add_verb(config, "diff",
                            "Examples:\n"
                            "  lockstep config diff a.yaml b.yaml\n"
                            "  lockstep config diff runs/a/config.yaml runs/b/config.yaml --json\n\n"
                            "Compares what two configs mean. Exit code 0: the same, 1: different.");
  verb->add_option("a", arguments->one, "A config file")->required();
  verb->add_option("b", arguments->other, "Another")->required();
  verb->add_flag("--json", arguments->json, "A JSON list of {key, a, b}");
  verb->callback([arguments, types, &exit_code] {
    const auto rows =
        differences(load_config(arguments->one, {}, types), load_config(arguments->other, {}, types));
    auto json = nlohmann::ordered_json::array();
    for (const ConfigChange& row : rows) {
      json.push_back({{"key", row.key}, {"a", row.before}, {"b", row.after}});
      if (!arguments->json) print(describe(row) + "\n");
    }
    if (arguments->json) print(json.dump(2) + "\n");
    exit_code = rows.empty() ? 0 : 1;
  });
}

void add_schema(CLI::App& config, const ExtraTypes& types) {
  auto arguments = std::make_shared<VerbArguments>();
  CLI::App* verb =
      add_verb(config, "schema",
               "Examples:\n"
               "  lockstep config schema > lockstep.schema.json\n"
               "  lockstep config schema --markdown\n\n"
               "Prints every key with type, range and default: as JSON Schema, or as docs/config.md.");
  verb->add_flag("--markdown", arguments->markdown, "As docs/config.md");
  verb->callback([arguments, types] {
    print(arguments->markdown ? schema_markdown(Schema(types)) : schema_json(Schema(types)));
  });
}

void add_init(CLI::App& config, const ExtraTypes& types) {
  CLI::App* verb = add_verb(config, "init",
                            "Examples:\n"
                            "  lockstep config init > run.yaml\n"
                            "  lockstep config init | less\n\n"
                            "Prints a commented config to start from; it runs as it is.");
  verb->callback([types] { print(starter_yaml(Schema(types))); });
}

}  // namespace

void add_config_command(CLI::App& app, const ExtraTypes& types, int& exit_code) {
  CLI::App* config = app.add_subcommand("config",
                                        "Examples:\n"
                                        "  lockstep config check -c run.yaml\n"
                                        "  lockstep config init > run.yaml\n\n"
                                        "Checks, shows and compares configs.");
  config->require_subcommand(1);
  add_check(*config, types);
  add_show(*config, types);
  add_diff(*config, types, exit_code);
  add_schema(*config, types);
  add_init(*config, types);
}

}  // namespace lockstep
