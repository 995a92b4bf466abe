// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

#include <string>

#include "lockstep/cli/application.h"

namespace lockstep {

// Each adds one verb to `ckpt`. None needs MPI, each has --json, and each sets `exit_code` where its answer
// is more than "done" (docs/exit-codes.md).
void add_ckpt_convert(CLI::App& ckpt);
void add_ckpt_ls(CLI::App& ckpt);
void add_ckpt_show(CLI::App& ckpt);
void add_ckpt_verify(CLI::App& ckpt, int& exit_code);
void add_ckpt_diff(CLI::App& ckpt, int& exit_code);
void add_ckpt_tag(CLI::App& ckpt);
void add_ckpt_prune(CLI::App& ckpt);
void add_ckpt_repair(CLI::App& ckpt, int& exit_code);
void add_ckpt_export(CLI::App& ckpt);
void add_ckpt_import(CLI::App& ckpt, const Registries& registries);

// Local. What `show` prints of a file: .pth, .safetensors or HDF5, of whatever model. Throws Fault (65, 66).
void show_file(const std::string& path, bool json);

}  // namespace lockstep
