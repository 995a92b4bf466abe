// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/base/disk.h"
#include "lockstep/base/units.h"
#include "shelf/pointer.h"

namespace lockstep {

// Note [tags]: <run>/ckpt/tags/<name> has the form of a pointer, "step-00001200 <manifest digest>\n", and
// names the checkpoint of that step with that manifest, wherever it stands: also as step-….left-2 or
// step-….bad. So it needs no change when a checkpoint is renamed, and never means another of the same step.
struct CheckpointTag {
  std::string name;
  std::optional<CheckpointPointer> target;  // empty: the file is damaged
};

// Letters, digits, '.', '_' and '-', at most 64, not starting with '.' nor ending in ".part".
bool is_tag_name(std::string_view name);

// Local. Sorted by name; entries with other names are not tags. No folder: none. Throws Fault (74).
std::vector<CheckpointTag> list_tags(Disk& disk, const std::string& folder);

// Local. Writes the tag durably, in place of one of that name. Throws Fault (74); Bug when is_tag_name() says
// no.
void write_tag(Disk& disk, const std::string& folder, const std::string& name,
               const CheckpointPointer& target);

// Local. False when there is no such tag. Throws Fault (74).
bool remove_tag(Disk& disk, const std::string& folder, const std::string& name);

// Local. The digest of the manifest in a checkpoint directory, from the manifest's last bytes alone; empty
// when there is none.
std::optional<Digest> manifest_in(Disk& disk, const std::string& directory);

// What tags keep from being pruned.
struct TaggedSteps {
  std::set<Step> steps;              // whose step-… directory is a tagged checkpoint
  std::vector<std::string> damaged;  // tags of which nobody can say what they keep
};

// Local. Throws Fault (74).
TaggedSteps tagged_steps(Disk& disk, const std::string& folder);

// Local. Where the tagged checkpoint stands now: step-…, step-….left-…, step-….bad…; empty when it is gone or
// its manifest is damaged. Throws Fault (74).
std::optional<std::string> directory_of(Disk& disk, const std::string& folder, const CheckpointTag& tag);

}  // namespace lockstep
