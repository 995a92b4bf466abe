// SPDX-License-Identifier: Apache-2.0
#include "cli/ckpt_command.h"

#include "cli/ckpt_verbs.h"

namespace lockstep {

void add_ckpt_command(CLI::App& app, const Registries& registries, int& exit_code) {
  CLI::App* ckpt = app.add_subcommand(
      "ckpt",
      "Examples:\n"
      "  lockstep ckpt ls runs/digits\n"
      "  lockstep ckpt verify runs/digits/ckpt/step-00000400\n\n"
      "Lists, shows, verifies, compares, names, prunes and repairs checkpoints; writes and reads those "
      "of Python.");
  ckpt->require_subcommand(1);
  add_ckpt_convert(*ckpt);
  add_ckpt_ls(*ckpt);
  add_ckpt_show(*ckpt);
  add_ckpt_verify(*ckpt, exit_code);
  add_ckpt_diff(*ckpt, exit_code);
  add_ckpt_tag(*ckpt);
  add_ckpt_prune(*ckpt);
  add_ckpt_repair(*ckpt, exit_code);
  add_ckpt_export(*ckpt);
  add_ckpt_import(*ckpt, registries);
}

}  // namespace lockstep
