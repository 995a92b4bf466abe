// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "hdf5/object_header.h"
#include "lockstep/base/dtype.h"
#include "lockstep/base/span.h"

namespace lockstep {

// What the messages of a dataset and of an attribute say, read without the HDF5 library. All throw Fault (65)
// for bytes that are no such message; an expected alternative is an empty optional.

// Empty for a null dataspace, and for one of more than 32 dimensions or with one beyond int64.
std::optional<Shape> parse_dataspace(Hdf5Cursor in);

struct Hdf5TypeInfo {
  std::optional<DType> dtype;  // empty unless it is exactly the type hdf5_type_of() gives that dtype
  // Of an integer in either byte order, and of a text of fixed length.
  enum class Kind { kOther, kInteger, kText } kind = Kind::kOther;
  bool is_signed = false;
  bool big_endian = false;
  std::uint64_t bytes = 0;  // of an element
};
Hdf5TypeInfo parse_datatype(Hdf5Cursor in);

// Where contiguous values lie; empty for any other storage.
struct Hdf5Contiguous {
  std::uint64_t address = kNoAddress;
  std::optional<std::uint64_t> bytes;  // old files do not say
};
std::optional<Hdf5Contiguous> parse_layout(Hdf5Cursor in);

struct Hdf5AttributeInfo {
  std::string name;
  bool shared = false;  // its type or its shape lies somewhere else
  std::span<const std::byte> type, space, value;
};
Hdf5AttributeInfo parse_attribute(Hdf5Cursor in, const Hdf5MetadataFile& file);

}  // namespace lockstep
