// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "lockstep/base/error.h"
#include "lockstep/comm/world.h"

namespace lockstep {

// Stands for a line of a text that has ended.
inline constexpr const char* kNoLine = "nothing";

// Collective. Passes where all ranks hold the same text; else throws AgreedFault with what `fault_of` makes,
// on a rank that differs from rank 0, of the first line in which it does: here and on rank 0, kNoLine where
// that text has ended.
void require_same_lines(
    World& world, const std::string& mine,
    const std::function<Fault(const std::string& here, const std::string& on_root)>& fault_of);

// Collective. The same of lines "NAME VALUE": what `fault_of` makes of the first name whose value is not the
// same on all ranks, or that some lack.
void require_same_values(World& world, const std::string& mine,
                         const std::function<Fault(const std::string& name)>& fault_of);

}  // namespace lockstep
