// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "checkpoint/catalog.h"
#include "checkpoint/manifest.h"
#include "loop/standard_streams.h"
#include "run/run_lock.h"

namespace lockstep {

// What the verbs of `ckpt` share: what DIR names, and how things are printed. All functions are Local.
using OrderedJson = nlohmann::ordered_json;

// What DIR names, with links of the user's own resolved.
struct CkptTarget {
  std::string path;
  bool is_checkpoint = false;  // else a folder of checkpoints

  // The folder of checkpoints, or the one the checkpoint lies in.
  std::string folder() const;
};

// A run directory, its ckpt folder, or a checkpoint. A name that claims a step is a checkpoint even without
// a manifest: then its absence is the answer. Throws Fault (66) when there is no such directory.
CkptTarget resolve_ckpt(const std::string& directory);

// Every checkpoint of a folder, whatever became of it, oldest first.
std::vector<CatalogEntry> checkpoints_in(const std::string& folder);

// The checkpoint that is the target, or the newest of the folder that is. Throws Fault (66) when it has none.
std::string one_checkpoint(const CkptTarget& target);

// Of all files that the manifest lists.
std::uint64_t total_bytes(const Manifest& manifest);

// "512 B", "1.5 MiB".
std::string human_bytes(std::uint64_t bytes);

// Before anything is changed in a folder of checkpoints. Throws Fault (73) when it, or the run directory
// whose ckpt folder it is, belongs to another user.
void refuse_checkpoints_of_another(const std::string& folder);

// The lock of the run whose ckpt folder this is, so that no run starts meanwhile; none for a folder that is
// no run's. Throws Fault: 77 that names the owner, 73 as refuse_checkpoints_of_another().
std::unique_ptr<RunLock> lock_run_of(const std::string& folder);
// Who has that run right now.
std::optional<std::string> owner_of_run_of(const std::string& folder);

// Indented, with a line feed. Paths need not be UTF-8; what is not is shown with replacement marks.
std::string pretty(const OrderedJson& json);

}  // namespace lockstep
