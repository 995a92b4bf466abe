// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/pickle_literals.h"

#include <bit>

#include "base/utf8.h"

namespace lockstep {

PyValue* PickleLiterals::read(Opcode opcode) {
  switch (opcode) {
    case Opcode::kNone:
      return pool_.make(ValueKind::kNone);
    case Opcode::kNewTrue:
    case Opcode::kNewFalse:
      return pool_.boolean(opcode == Opcode::kNewTrue);
    // Python 2 wrote names as strings, and bytes too.
    case Opcode::kShortBinString:
    case Opcode::kBinString:
    case Opcode::kShortBinUnicode:
    case Opcode::kBinUnicode:
    case Opcode::kBinUnicode8:
      return text(opcode);
    case Opcode::kShortBinBytes:
    case Opcode::kBinBytes:
    case Opcode::kBinBytes8:
    case Opcode::kByteArray8:
      return bytes(opcode);
    default:
      return number(opcode);
  }
}

PyValue* PickleLiterals::number(Opcode opcode) {
  switch (opcode) {
    case Opcode::kBinInt:
      return pool_.integer(static_cast<std::int32_t>(in_.number(4)));
    case Opcode::kBinInt1:
      return pool_.integer(in_.byte());
    case Opcode::kBinInt2:
      return pool_.integer(static_cast<std::int64_t>(in_.number(2)));
    case Opcode::kLong1:
      return big_integer(in_.byte());
    case Opcode::kLong4:
      return big_integer(in_.number(4));
    case Opcode::kBinFloat:
      return real();
    default:
      return nullptr;
  }
}

// Two's complement, as few bytes as hold it. What does not fit 64 bits (the state of a random generator) is
// passed over.
PyValue* PickleLiterals::big_integer(std::uint64_t bytes) {
  if (bytes > 8) {
    in_.skip(bytes);
    return pool_.opaque("an integer of " + std::to_string(bytes) + " bytes");
  }
  if (bytes == 0) return pool_.integer(0);
  const int unused = 64 - 8 * static_cast<int>(bytes);
  const std::uint64_t number = in_.number(static_cast<int>(bytes));
  return pool_.integer(static_cast<std::int64_t>(number << unused) >> unused);
}

// The one number whose first byte is the highest.
PyValue* PickleLiterals::real() {
  std::uint64_t bits = 0;
  for (int i = 0; i < 8; ++i) bits = bits << 8 | in_.byte();
  return pool_.real(std::bit_cast<double>(bits));
}

PyValue* PickleLiterals::text(Opcode opcode) {
  PyValue* value = pool_.text(in_.text(in_.number(length_bytes(opcode))));
  // Python has such texts too: file names of other bytes, half surrogates.
  if (!is_utf8(value->text)) value->kind = ValueKind::kBytes;
  return value;
}

PyValue* PickleLiterals::bytes(Opcode opcode) {
  PyValue* value = pool_.make(ValueKind::kBytes);
  value->text = in_.text(in_.number(length_bytes(opcode)));
  return value;
}

}  // namespace lockstep
