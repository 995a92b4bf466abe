// SPDX-License-Identifier: Apache-2.0
#include "hdf5/types.h"

#include <array>
#include <cstdint>

namespace lockstep {

namespace {

// Bits of a binary floating-point layout; the sign is the highest bit, the mantissa starts at bit 0.
struct FloatBits {
  std::size_t exponent;
  std::size_t mantissa;
  std::size_t bias;
};

Hdf5Handle small_float(const Hdf5Session& hdf5, const FloatBits& bits) {
  const std::size_t width = 1 + bits.exponent + bits.mantissa;
  Hdf5Handle type = hdf5.own(H5Tcopy(H5T_IEEE_F32LE), H5Tclose, "copying a float type");
  // Fields before size: HDF5 checks at each call that the fields fit what is there.
  hdf5.ok(H5Tset_fields(type.get(), width - 1, bits.mantissa, bits.exponent, 0, bits.mantissa),
          "setting float fields");
  hdf5.ok(H5Tset_offset(type.get(), 0), "setting a float offset");
  hdf5.ok(H5Tset_precision(type.get(), width), "setting a float precision");
  hdf5.ok(H5Tset_size(type.get(), width / 8), "setting a float size");
  hdf5.ok(H5Tset_ebias(type.get(), bits.bias), "setting a float bias");
  return type;
}

Hdf5Handle h5py_bool(const Hdf5Session& hdf5) {
  Hdf5Handle type = hdf5.own(H5Tenum_create(H5T_STD_I8LE), H5Tclose, "making the bool type");
  const std::int8_t no = 0;
  const std::int8_t yes = 1;
  hdf5.ok(H5Tenum_insert(type.get(), "FALSE", &no), "making the bool type");
  hdf5.ok(H5Tenum_insert(type.get(), "TRUE", &yes), "making the bool type");
  return type;
}

}  // namespace

Hdf5Handle hdf5_type_of(const Hdf5Session& hdf5, DType dtype) {
  const auto copy = [&](hid_t type) { return hdf5.own(H5Tcopy(type), H5Tclose, "copying a type"); };
  switch (dtype) {
    case DType::kBool:
      return h5py_bool(hdf5);
    case DType::kUInt8:
      return copy(H5T_STD_U8LE);
    case DType::kInt8:
      return copy(H5T_STD_I8LE);
    case DType::kInt16:
      return copy(H5T_STD_I16LE);
    case DType::kInt32:
      return copy(H5T_STD_I32LE);
    case DType::kInt64:
      return copy(H5T_STD_I64LE);
    case DType::kFloat16:
      return small_float(hdf5, {.exponent = 5, .mantissa = 10, .bias = 15});
    case DType::kBFloat16:
      return small_float(hdf5, {.exponent = 8, .mantissa = 7, .bias = 127});
    case DType::kFloat32:
      return copy(H5T_IEEE_F32LE);
    case DType::kFloat64:
      return copy(H5T_IEEE_F64LE);
    case DType::kFloat8E4M3:
      return small_float(hdf5, {.exponent = 4, .mantissa = 3, .bias = 7});
    case DType::kFloat8E5M2:
      return small_float(hdf5, {.exponent = 5, .mantissa = 2, .bias = 15});
  }
  hdf5.refuse("an element type HDF5 has no layout for");
}

}  // namespace lockstep
