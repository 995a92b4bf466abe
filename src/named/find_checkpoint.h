// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace lockstep {

// Local. The checkpoint that a file stands for: its manifest, its data, or a pointer to it (latest, best).
// Empty for any other file, and for what is no file. Throws Fault (66) for a pointer to what is not there.
std::optional<std::string> checkpoint_of_file(const std::string& path);

// Local. The checkpoint to go on from: `path` itself, one that a file stands for, or the newest of a run or
// of its ckpt. Throws Fault: 66 when there is none, 65 saying what `path` is and how training can start from
// that.
std::string find_checkpoint(const std::string& path);

}  // namespace lockstep
