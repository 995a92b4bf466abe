// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "checkpoint/reader.h"
#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "lockstep/base/error.h"
#include "shelf/prune.h"

namespace lockstep {
namespace {

struct PruneArguments {
  std::string directory;
  std::optional<std::int64_t> keep_last, keep_every, keep_best;
  std::string metric, mode;
  bool yes = false;
  bool json = false;
};

// The rules of the run, as its newest readable checkpoint has them, with the user's over them.
CheckpointOptions rules(const PruneArguments& arguments, const std::string& folder) {
  CheckpointOptions rules;
  for (const CatalogEntry& entry : checkpoints_in(folder)) {
    if (entry.kind != EntryKind::kCheckpoint) continue;
    try {
      rules = rules_in(CheckpointReader::open(real_disk(), folder + "/" + entry.name)->record());
    } catch (const Fault&) {
      // It is neither kept nor removed; `verify` says what is wrong with it.
    }
  }
  rules.keep_last = arguments.keep_last.value_or(rules.keep_last);
  rules.keep_every = arguments.keep_every.value_or(rules.keep_every);
  rules.keep_best.count = arguments.keep_best.value_or(rules.keep_best.count);
  if (!arguments.metric.empty()) rules.keep_best.metric = arguments.metric;
  if (!arguments.mode.empty()) rules.keep_best.mode = from_word<BestMode>(arguments.mode).value();
  if (rules.keep_best.count == 0 && !(arguments.metric.empty() && arguments.mode.empty()))
    throw Fault(ExitCode::kUsage, "--metric and --mode have no effect while none of the best is kept",
                "Give --keep-best N too");
  return rules;
}

OrderedJson as_json(const std::vector<PrunePlan::Item>& items) {
  OrderedJson rows = OrderedJson::array();
  for (const PrunePlan::Item& item : items)
    rows.push_back({{"directory", item.directory}, {"bytes", item.bytes}});
  return rows;
}

void prune(const PruneArguments& arguments) {
  const std::string folder = resolve_ckpt(arguments.directory).folder();
  // Taken before the plan is made, so that nothing changes between plan and removal.
  const auto lock = arguments.yes ? lock_run_of(folder) : nullptr;
  const PrunePlan plan = plan_prune(real_disk(), folder, rules(arguments, folder));
  std::uint64_t bytes = 0;
  for (const PrunePlan::Item& item : plan.removed) bytes += item.bytes;
  const auto say = [&](const PrunePlan::Item& item, const char* what) {
    if (!arguments.json) print(fmt::format("{} {} ({})\n", what, item.directory, human_bytes(item.bytes)));
  };
  if (arguments.yes)
    carry_out(real_disk(), folder, plan, [&](const PrunePlan::Item& item) { say(item, "removed"); });
  else
    for (const PrunePlan::Item& item : plan.removed) say(item, "would remove");
  if (arguments.json)
    return print(pretty({{"done", arguments.yes},
                         {"removed", as_json(plan.removed)},
                         {"kept", as_json(plan.kept)},
                         {"bytes", bytes}}));
  print(fmt::format("{} of {} checkpoints, {}{}\n", plan.removed.size(),
                    plan.removed.size() + plan.kept.size(), human_bytes(bytes),
                    arguments.yes || plan.removed.empty() ? "" : "; nothing is removed without --yes"));
}

}  // namespace

void add_ckpt_prune(CLI::App& ckpt) {
  CLI::App* verb = ckpt.add_subcommand(
      "prune",
      "Examples:\n"
      "  lockstep ckpt prune runs/digits\n"
      "  lockstep ckpt prune runs/digits --keep-last 1 --keep-best 2 --yes\n\n"
      "Removes the checkpoints that no rule keeps, or with no --yes says which; the rules are the run's own "
      "where none is given. Tagged ones and the newest stay, and that is verified first.");
  const auto arguments = std::make_shared<PruneArguments>();
  verb->add_option("DIR", arguments->directory, "A run directory or its ckpt folder")->required();
  verb->add_option("--keep-last", arguments->keep_last, "Keep this many of the newest")
      ->check(CLI::PositiveNumber);
  verb->add_option("--keep-every", arguments->keep_every, "Keep each step divisible by this; 0: none")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--keep-best", arguments->keep_best, "Keep this many of the best")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--metric", arguments->metric, "What the best are best by");
  verb->add_option("--mode", arguments->mode, "min or max")->check(CLI::IsMember({"min", "max"}));
  verb->add_flag("--yes", arguments->yes, "Do it; 77 while a run has the directory");
  verb->add_flag("--json", arguments->json, "Print JSON");
  verb->callback([arguments] { prune(*arguments); });
}

}  // namespace lockstep
