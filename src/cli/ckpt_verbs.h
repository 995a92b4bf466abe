// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

namespace lockstep {

// Each adds one verb to `ckpt`. None needs MPI, each has --json, and each sets `exit_code` where its answer
// is more than "done" (docs/exit-codes.md).
void add_ckpt_ls(CLI::App& ckpt);
void add_ckpt_show(CLI::App& ckpt);
void add_ckpt_verify(CLI::App& ckpt, int& exit_code);
void add_ckpt_diff(CLI::App& ckpt, int& exit_code);
void add_ckpt_tag(CLI::App& ckpt);
void add_ckpt_prune(CLI::App& ckpt);
void add_ckpt_repair(CLI::App& ckpt, int& exit_code);

}  // namespace lockstep
