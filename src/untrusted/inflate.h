// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace lockstep {

// Local. Unpacks a raw stream of deflate (as zip files have it) that must fill `into` exactly and end there.
// Throws Fault (65) naming `origin` for one that is damaged, shorter or longer.
void inflate(std::span<const std::byte> packed, std::span<std::byte> into, const std::string& origin);

}  // namespace lockstep
