// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <set>
#include <string>
#include <vector>

namespace lockstep {

// How the names of a file become those of a model.
struct NameRules {
  std::vector<std::string> skip;    // globs: such tensors of the model keep their values, the file's are left
  std::vector<std::string> strip;   // prefixes to take off
  std::vector<std::string> rename;  // OLD=NEW: what begins with OLD begins with NEW instead
};

// Names in the order they were given in.
struct MappedNames {
  std::vector<std::string> names;
  std::vector<std::string> said;  // a sentence for each thing that was done without being asked for
};

// Does a glob of `globs` match the whole name?
bool matches_any(const std::string& name, const std::vector<std::string>& globs);

// Local. Takes off the prefixes of known wrappers that all names share (module., _orig_mod., and where the
// model is known model.), nested in any order, and the marks of wrappers inside names (torch.compile, FSDP);
// never those that the model itself has. Then the rules. `wanted` are the model's names; empty where no model
// is known. Throws Fault: 64 for a rule that is no OLD=NEW or that no name fits, 78 when two tensors come to
// have one name.
MappedNames map_names(std::vector<std::string> names, const std::set<std::string>& wanted,
                      const NameRules& rules);

}  // namespace lockstep
