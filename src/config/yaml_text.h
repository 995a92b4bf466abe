// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "config/node.h"

namespace lockstep {

// What config text may cost us, whoever wrote it.
inline constexpr std::size_t kMaxConfigBytes = 1u << 20;
inline constexpr int kMaxConfigDepth = 64;
inline constexpr int kMaxConfigNodes = 100'000;

// Local. Parses one YAML document into a tree. Aliases are refused as they are met, before anything could be
// expanded, so time and memory stay linear in the text. Throws Fault (78) with line and column for text over
// the limits, binary bytes, a byte order mark, tabs in the indentation, anchors, tags, duplicate or merge
// keys, a second document, and anything yaml-cpp cannot read.
ConfigNode parse_yaml(const std::string& text, const Origin& origin);

}  // namespace lockstep
