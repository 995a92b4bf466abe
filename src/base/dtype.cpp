// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/dtype.h"

#include <array>
#include <utility>

namespace lockstep {
namespace {
constexpr std::array<std::pair<DType, std::string_view>, 12> kNames = {{
    {DType::kBool, "bool"},
    {DType::kUInt8, "uint8"},
    {DType::kInt8, "int8"},
    {DType::kInt16, "int16"},
    {DType::kInt32, "int32"},
    {DType::kInt64, "int64"},
    {DType::kFloat16, "float16"},
    {DType::kBFloat16, "bfloat16"},
    {DType::kFloat32, "float32"},
    {DType::kFloat64, "float64"},
    {DType::kFloat8E4M3, "float8_e4m3fn"},
    {DType::kFloat8E5M2, "float8_e5m2"},
}};
}  // namespace

std::string_view name_of(DType dtype) {
  for (const auto& [type, name] : kNames)
    if (type == dtype) return name;
  return "unknown";
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (const auto& [type, text] : kNames)
    if (text == name) return type;
  return std::nullopt;
}

}  // namespace lockstep
