// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/torch_types.h"

#include <array>
#include <utility>

namespace lockstep {

namespace {

using Size = std::pair<std::string_view, std::size_t>;
// All that PyTorch 2.11 saves. Quantised types are told by their storage alone.
constexpr std::array<Size, 27> kSizes = {{
    {"bool", 1},
    {"uint8", 1},
    {"int8", 1},
    {"int16", 2},
    {"int32", 4},
    {"int64", 8},
    {"float16", 2},
    {"bfloat16", 2},
    {"float32", 4},
    {"float64", 8},
    {"float8_e4m3fn", 1},
    {"float8_e5m2", 1},
    {"uint16", 2},
    {"uint32", 4},
    {"uint64", 8},
    {"complex32", 4},
    {"complex64", 8},
    {"complex128", 16},
    {"float8_e8m0fnu", 1},
    {"float8_e4m3fnuz", 1},
    {"float8_e5m2fnuz", 1},
    {"float4_e2m1fn_x2", 1},
    {"qint8", 1},
    {"quint8", 1},
    {"qint32", 4},
    {"quint4x2", 1},
    {"quint2x4", 1},
}};

using Storage = std::pair<std::string_view, std::string_view>;
constexpr std::array<Storage, 18> kStorages = {{
    {"BoolStorage", "bool"},
    {"ByteStorage", "uint8"},
    {"CharStorage", "int8"},
    {"ShortStorage", "int16"},
    {"IntStorage", "int32"},
    {"LongStorage", "int64"},
    {"HalfStorage", "float16"},
    {"BFloat16Storage", "bfloat16"},
    {"FloatStorage", "float32"},
    {"DoubleStorage", "float64"},
    {"ComplexFloatStorage", "complex64"},
    {"ComplexDoubleStorage", "complex128"},
    {"QInt8Storage", "qint8"},
    {"QUInt8Storage", "quint8"},
    {"QInt32Storage", "qint32"},
    {"QUInt4x2Storage", "quint4x2"},
    {"QUInt2x4Storage", "quint2x4"},
    // Last: only the typed ones stand for a dtype.
    {"UntypedStorage", "uint8"},
}};

}  // namespace

std::optional<std::size_t> torch_element_size(std::string_view dtype) {
  for (const auto& [name, size] : kSizes)
    if (name == dtype) return size;
  return std::nullopt;
}

std::optional<std::string> dtype_of_storage(std::string_view storage) {
  for (const auto& [name, dtype] : kStorages)
    if (name == storage) return std::string(dtype);
  return std::nullopt;
}

std::optional<std::string> storage_of_dtype(DType dtype) {
  for (const auto& [name, type] : kStorages)
    if (type == name_of(dtype)) return std::string(name);
  return std::nullopt;
}

}  // namespace lockstep
