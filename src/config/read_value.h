// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "config/row.h"

namespace lockstep {

// Local. The value that `setting` gives for `row`, with type, range, length and words checked; null gives
// "not set". Throws Fault (78) with the place of the value, what was expected and what was found.
Value read_value(const Row& row, const Setting& setting);

// "a number >= 0 and < 1", "one of sgd, adam, adamw": what a key accepts, for messages and the docs page.
std::string accepts(const Row& row);

}  // namespace lockstep
