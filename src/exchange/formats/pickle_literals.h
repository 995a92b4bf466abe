// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/formats/pickle_opcodes.h"
#include "exchange/formats/value.h"
#include "untrusted/byte_stream.h"

namespace lockstep {

// The values that a pickle spells out behind one opcode: None, booleans, numbers, texts and bytes.
class PickleLiterals {
 public:
  // Both outlive this.
  PickleLiterals(ByteStream& in, ValuePool& pool) : in_(in), pool_(pool) {}

  // Null for an opcode that spells no value.
  PyValue* read(Opcode opcode);

 private:
  PyValue* number(Opcode opcode);
  PyValue* big_integer(std::uint64_t bytes);
  PyValue* real();
  PyValue* text(Opcode opcode);
  PyValue* bytes(Opcode opcode);

  ByteStream& in_;
  ValuePool& pool_;
};

}  // namespace lockstep
