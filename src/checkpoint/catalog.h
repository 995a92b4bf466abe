// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/base/disk.h"
#include "lockstep/base/units.h"

namespace lockstep {

// "step-00001200": eight digits, more where the step needs them.
std::string step_directory(Step step);

// The step of a name that step_directory() makes; empty for every other name.
std::optional<Step> step_from_name(std::string_view name);

// The step that the last part of a path claims: of step-…, and of step-….bad… and step-….left-…; empty where
// it claims none.
std::optional<Step> step_of_directory(std::string_view path);

// What an entry of <run>/ckpt is, by its name and kind alone.
enum class EntryKind {
  kCheckpoint,  // step-…, a real directory
  kBad,         // moved aside because it did not verify
  kLeft,        // newer than the checkpoint a run went back to
  kUnfinished,  // .staging-… or .trash-…: ours to remove
  kForeign,     // a pointer, a planted link, anything else: never touched
};

struct CatalogEntry {
  std::string name;
  EntryKind kind = EntryKind::kForeign;
  Step step{0};  // of the first three kinds
};

// Local. The entries of a checkpoint folder, ordered by step and then by name, never by clock. No folder:
// empty. Throws Fault (74).
std::vector<CatalogEntry> list_catalog(Disk& disk, const std::string& directory);

// `name`, or `name` with "-2", "-3" … behind it: the first that is not there yet.
std::string free_name(Disk& disk, const std::string& directory, const std::string& name);

}  // namespace lockstep
