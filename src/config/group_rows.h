// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "config/row.h"

namespace lockstep {

// The keys of an item of optim.groups, as "optim.groups.match"; what stands in the section too has the same
// range.
const std::vector<Row>& group_rows();

// Local. The groups that `setting` gives. Throws Fault (78) with the place for an item that is no map, an
// unknown key, a value that does not fit, a group without `match` or without anything else, and for numbers
// of a frozen one.
JsonText read_groups(const Row& row, const Setting& setting);

}  // namespace lockstep
