// SPDX-License-Identifier: Apache-2.0
#include "supervise/slurm/script.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <regex>

#include "base/shell_word.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

// One line for Slurm; nothing where nothing was asked for.
std::string directive(const std::string& option, const std::string& value) {
  return value.empty() ? "" : fmt::format("#SBATCH --{}={}\n", option, value);
}

std::string directives(const SlurmScript& script) {
  const bool tasks = !script.array.empty() || script.chain > 0;
  std::string text = directive("job-name", script.job_name);
  text += directive("output", tasks ? "%x-%A_%a.log" : "%x-%j.log");
  text += "#SBATCH --open-mode=append\n";
  text += directive("partition", script.partition) + directive("account", script.account);
  text += directive("nodes", script.nodes);
  text += directive("mincpus", std::to_string(script.cpus_per_node));
  if (script.gpus_per_node > 0) text += directive("gpus-per-node", std::to_string(script.gpus_per_node));
  text += directive("time", script.time);
  text += directive("signal", fmt::format("B:USR1@{}", script.lead_s));
  text += script.chain > 0 ? "#SBATCH --no-requeue\n" : "#SBATCH --requeue\n";
  // A chain is an array of which one task runs at a time: each goes on where the one before stopped.
  if (script.chain > 0) text += directive("array", fmt::format("1-{}%1", script.chain));
  return text + directive("array", script.array);
}

// As in slurm/train.sbatch.
constexpr const char* kEarlySignals = R"(
# What Slurm sends before lockstep listens must not end this shell: it is sent once more where env keeps it until then.
early=; trap 'early=USR1' USR1; trap 'early=TERM' TERM
block=(env --block-signal=USR1 --block-signal=TERM); "${block[@]}" true 2>/dev/null || block=()

)";
constexpr const char* kStart = R"(trap '' USR1 TERM
# shellcheck disable=SC2016 # sh is to read it
exec "${block[@]}" sh -c '[ -z "$0" ] || kill -s "$0" $$; exec "$@"' "$early" \
  "${LOCKSTEP_BIN:-$lockstep}" run --slurm --ranks-per-node )";

std::string command(const SlurmScript& script) {
  std::string text = fmt::format("lockstep={}\n", shell_word(script.binary));
  text += kStart + std::to_string(script.ranks_per_node);
  std::string config = shell_word(script.config);
  for (const std::string& one : script.overrides) config += " " + shell_word(one);
  if (script.container.empty()) return fmt::format("{} {} \"$@\"\n", text, config);
  return fmt::format("{} -- \\\n  apptainer exec {}{} lockstep train -c {} \"$@\"\n", text,
                     script.gpus_per_node > 0 ? "--nv " : "", shell_word(script.container), config);
}

void require(const std::string& option, const std::string& value, const std::string& pattern,
             const std::string& example) {
  if (value.empty() || std::regex_match(value, std::regex(pattern))) return;
  throw Fault(ExitCode::kUsage, fmt::format("{} {}: not what Slurm reads", option, printable(value)),
              "Such as " + example);
}

}  // namespace

std::string slurm_script(const SlurmScript& script) {
  std::string text = "#!/usr/bin/env bash\n";
  text += fmt::format("# Written by: {}\n", printable(script.written_by));
  text +=
      "# Submit it from the folder that config and run.dir are relative to: sbatch FILE [key=value …]\n#\n";
  text += directives(script);
  text += kEarlySignals;
  for (const std::string& module : script.modules) text += "module load " + shell_word(module) + "\n";
  return text + command(script);
}

void check_slurm_script(const SlurmScript& script) {
  const std::string word = "[A-Za-z0-9_.,:@%+-]+";
  require("--nodes", script.nodes, "[1-9][0-9]{0,5}(-[1-9][0-9]{0,5})?", "2, or 1-4 for one to four");
  require("--time", script.time, "[0-9]+(-[0-9]+)?(:[0-9]+){0,2}", "04:00:00 or 1-12");
  require("--array", script.array, "[0-9]+([-:,%0-9]*)", "0-9 or 1,3,5");
  require("--partition", script.partition, word, "gpu");
  require("--account", script.account, word, "physics");
  if (!script.array.empty() && script.chain > 0)
    throw Fault(ExitCode::kUsage, "--array and --chain: a chain is an array of its own",
                "Leave one of them out");
}

}  // namespace lockstep
