// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/formats/value.h"
#include "untrusted/byte_stream.h"

namespace lockstep {

// Local. Reads one pickle (protocols 2 to 5) that torch.save wrote, or that somebody made to do harm: what it
// names is never called (Note [nothing is called]). Memory is bounded by the bytes that are there; nesting,
// nodes and the size of the tree that shared nodes stand for are limited. The stream stands behind the pickle
// afterwards. Throws Fault (65) that names the opcode or global it does not read.
const PyValue* read_pickle(ByteStream& in, ValuePool& pool);

}  // namespace lockstep
