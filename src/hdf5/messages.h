// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hdf5/object_header.h"
#include "lockstep/base/dtype.h"
#include "lockstep/base/span.h"

namespace lockstep {

// What the messages of a dataset and of an attribute say, read without the HDF5 library. All throw Fault (65)
// for bytes that are no such message; an expected alternative is an empty optional.

// How long a dimension is, and how long it may become: kUnlimited, or a number.
struct Hdf5Extent {
  Shape shape;
  std::vector<std::uint64_t> most;
};
inline constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};
// Empty for a null dataspace, and for one of more than 32 dimensions or with one beyond int64.
std::optional<Hdf5Extent> parse_dataspace(Hdf5Cursor in);

struct Hdf5TypeInfo {
  // Empty unless it is, but for the order of bytes, the type hdf5_type_of() gives that dtype.
  std::optional<DType> dtype;
  // Of any integer, of the floats that have a dtype, and of a text of fixed length.
  enum class Kind { kOther, kInteger, kFloat, kBool, kText } kind = Kind::kOther;
  bool is_signed = false;
  bool big_endian = false;
  std::uint64_t bytes = 0;  // of an element
};
Hdf5TypeInfo parse_datatype(Hdf5Cursor in);

struct Hdf5AttributeInfo {
  std::string name;
  bool shared = false;  // its type or its shape lies somewhere else
  std::span<const std::byte> type, space, value;
};
Hdf5AttributeInfo parse_attribute(Hdf5Cursor in, const Hdf5MetadataFile& file);

}  // namespace lockstep
