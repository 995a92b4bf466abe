// SPDX-License-Identifier: Apache-2.0
#include "hdf5/messages.h"

#include <array>
#include <limits>

namespace lockstep {

namespace {

constexpr std::uint64_t kMaxDimensions = 32;
constexpr std::uint64_t kIntegerClass = 0;
constexpr std::uint64_t kFloatClass = 1;
constexpr std::uint64_t kTextClass = 3;
constexpr std::uint64_t kEnumClass = 8;
constexpr std::uint64_t kBigEndian = 0x01;
constexpr std::uint64_t kPaddingMask = 0x06;
constexpr std::uint64_t kSigned = 0x08;

struct TypeHead {
  std::uint64_t version = 0;
  std::uint64_t kind = 0;
  std::uint64_t bits = 0;
  std::uint64_t bytes = 0;
};

TypeHead head_of(Hdf5Cursor& in) {
  TypeHead head;
  const std::uint64_t first = in.number(1);
  head.version = first >> 4;
  head.kind = first & 0x0F;
  head.bits = in.number(3);
  head.bytes = in.number(4);
  return head;
}

// All bits of every element count, from the first on.
bool is_full_integer(const TypeHead& head, Hdf5Cursor& in) {
  const std::uint64_t offset = in.number(2);
  const std::uint64_t precision = in.number(2);
  return offset == 0 && head.bytes <= 8 && precision == 8 * head.bytes && (head.bits & kPaddingMask) == 0;
}

std::optional<DType> integer_dtype(const TypeHead& head) {
  if ((head.bits & kSigned) == 0) return head.bytes == 1 ? std::optional(DType::kUInt8) : std::nullopt;
  switch (head.bytes) {
    case 1:
      return DType::kInt8;
    case 2:
      return DType::kInt16;
    case 4:
      return DType::kInt32;
    case 8:
      return DType::kInt64;
    default:
      return std::nullopt;
  }
}

// As in hdf5/types.cpp: sign above exponent above mantissa, an implied first bit, no padding.
std::optional<DType> float_dtype(const TypeHead& head, Hdf5Cursor& in) {
  struct Form {
    DType dtype;
    std::uint64_t exponent, mantissa, bias;
  };
  constexpr std::array kForms = {Form{DType::kFloat64, 11, 52, 1023}, Form{DType::kFloat32, 8, 23, 127},
                                 Form{DType::kFloat16, 5, 10, 15},    Form{DType::kBFloat16, 8, 7, 127},
                                 Form{DType::kFloat8E4M3, 4, 3, 7},   Form{DType::kFloat8E5M2, 5, 2, 15}};
  const std::uint64_t offset = in.number(2);
  const std::uint64_t precision = in.number(2);
  const std::uint64_t exponent_at = in.number(1);
  const std::uint64_t exponent = in.number(1);
  const std::uint64_t mantissa_at = in.number(1);
  const std::uint64_t mantissa = in.number(1);
  const std::uint64_t bias = in.number(4);
  for (const Form& form : kForms) {
    const std::uint64_t width = 1 + form.exponent + form.mantissa;
    const std::uint64_t bits = (width - 1) << 8 | 0x20;
    if ((head.bits & ~kBigEndian) == bits && head.bytes * 8 == width && offset == 0 && precision == width &&
        exponent_at == form.mantissa && exponent == form.exponent && mantissa_at == 0 &&
        mantissa == form.mantissa && bias == form.bias)
      return form.dtype;
  }
  return std::nullopt;
}

// h5py's bool: FALSE = 0 and TRUE = 1 over int8.
bool is_bool(const TypeHead& head, Hdf5Cursor& in) {
  constexpr std::uint64_t kMembers = 2;
  const TypeHead base = head_of(in);
  if ((head.bits & 0xFFFF) != kMembers || head.bytes != 1 || base.kind != kIntegerClass ||
      !is_full_integer(base, in) || integer_dtype(base) != DType::kInt8 || (base.bits & kBigEndian) != 0)
    return false;
  std::array<std::string, kMembers> names;
  for (std::string& name : names) {
    const std::size_t before = in.remaining();
    name = in.text();
    // Padded to eight bytes before version 3.
    const std::size_t used = before - in.remaining();
    if (head.version < 3 && used % 8 != 0) in.skip(8 - used % 8);
  }
  const std::uint64_t first = in.number(1);
  const std::uint64_t second = in.number(1);
  return (names[0] == "FALSE" && names[1] == "TRUE" && first == 0 && second == 1) ||
         (names[0] == "TRUE" && names[1] == "FALSE" && first == 1 && second == 0);
}

std::uint64_t padded(std::uint64_t bytes) {
  return (bytes + 7) / 8 * 8;
}

}  // namespace

std::optional<Hdf5Extent> parse_dataspace(Hdf5Cursor in) {
  constexpr std::uint64_t kNull = 2;
  constexpr std::uint64_t kHasMost = 0x01;
  const std::uint64_t version = in.number(1);
  const std::uint64_t rank = in.number(1);
  const std::uint64_t flags = in.number(1);
  if (version == 1)
    in.skip(5);
  else if (version != 2 || in.number(1) == kNull)
    return std::nullopt;
  if (rank > kMaxDimensions) return std::nullopt;
  Hdf5Extent extent;
  for (std::uint64_t i = 0; i < rank; ++i) {
    const std::uint64_t dimension = in.number(8);
    if (dimension > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    extent.shape.push_back(static_cast<std::int64_t>(dimension));
    extent.most.push_back(dimension);
  }
  if ((flags & kHasMost) != 0)
    for (std::uint64_t& most : extent.most) most = in.number(8);
  return extent;
}

Hdf5TypeInfo parse_datatype(Hdf5Cursor in) {
  const TypeHead head = head_of(in);
  Hdf5TypeInfo info;
  info.bytes = head.bytes;
  info.big_endian = (head.bits & kBigEndian) != 0;
  if (head.kind == kIntegerClass && is_full_integer(head, in)) {
    info.kind = Hdf5TypeInfo::Kind::kInteger;
    info.is_signed = (head.bits & kSigned) != 0;
    info.dtype = integer_dtype(head);
  } else if (head.kind == kFloatClass) {
    info.dtype = float_dtype(head, in);
    if (info.dtype) info.kind = Hdf5TypeInfo::Kind::kFloat;
  } else if (head.kind == kTextClass) {
    info.kind = Hdf5TypeInfo::Kind::kText;
  } else if (head.kind == kEnumClass && is_bool(head, in)) {
    info.kind = Hdf5TypeInfo::Kind::kBool;
    info.big_endian = false;
    info.dtype = DType::kBool;
  }
  return info;
}

Hdf5AttributeInfo parse_attribute(Hdf5Cursor in, const Hdf5MetadataFile& file) {
  constexpr std::uint64_t kSharedParts = 0x03;
  const std::uint64_t version = in.number(1);
  if (version < 1 || version > 3)
    file.refuse("version " + std::to_string(version) + " of an attribute is not one Lockstep reads");
  Hdf5AttributeInfo info;
  info.shared = (in.number(1) & kSharedParts) != 0 && version > 1;
  std::array<std::uint64_t, 3> bytes{};
  for (std::uint64_t& count : bytes) count = in.number(2);
  if (version == 3) in.skip(1);
  // Only the first version fills its parts up to eight bytes.
  const auto part = [&](std::uint64_t count) {
    const auto taken = in.take(version == 1 ? padded(count) : count);
    return taken.first(static_cast<std::size_t>(count));
  };
  Hdf5Cursor name(file, part(bytes[0]));
  info.name = name.text();
  info.type = part(bytes[1]);
  info.space = part(bytes[2]);
  info.value = in.rest();
  return info;
}

}  // namespace lockstep
