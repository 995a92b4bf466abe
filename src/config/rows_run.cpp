// SPDX-License-Identifier: Apache-2.0
#include "config/rows.h"

namespace lockstep {

std::vector<Row> run_rows() {
  return {
      binding::bind("version", [](RunConfig& c) -> std::int64_t& { return c.version; })
          .in(between(1, 1))
          .may_change()
          .says("Version of the config format."),
      row("run.name", &RunConfig::run, &RunOptions::name)
          .may_change()
          .says("Name of the run: letters, digits, '.', '_' and '-'."),
      row("run.dir", &RunConfig::run, &RunOptions::dir)
          .derived_from("runs/<run.name>")
          .may_change()
          .says("Run directory, relative to the working directory: everything the run writes is in it. "
                "{array_task} in it is the number of this task of a Slurm array."),
      row("run.seed", &RunConfig::run, &RunOptions::seed)
          .says("Seed of initial weights, sample order, dropout and synthetic data."),
      row("run.metadata", &RunConfig::run, &RunOptions::metadata)
          .as(KeyKind::kJson)
          .may_change()
          .says("Anything you like; it goes into every checkpoint."),
      row("run.on_end", &RunConfig::run, &RunOptions::on_end)
          .may_change()
          .says("Shell command that lockstep run calls when the run is done or given up, with LOCKSTEP_CODE, "
                "LOCKSTEP_REASON and LOCKSTEP_RUN_DIR in its environment."),
  };
}

}  // namespace lockstep
