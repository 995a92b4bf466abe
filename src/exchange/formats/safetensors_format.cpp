// SPDX-License-Identifier: Apache-2.0
#include "exchange/formats/safetensors_format.h"

#include <array>
#include <utility>

namespace lockstep::safetensors {

namespace {

constexpr std::array<std::pair<DType, std::string_view>, 12> kTypes = {{
    {DType::kBool, "BOOL"},
    {DType::kUInt8, "U8"},
    {DType::kInt8, "I8"},
    {DType::kInt16, "I16"},
    {DType::kInt32, "I32"},
    {DType::kInt64, "I64"},
    {DType::kFloat16, "F16"},
    {DType::kBFloat16, "BF16"},
    {DType::kFloat32, "F32"},
    {DType::kFloat64, "F64"},
    {DType::kFloat8E4M3, "F8_E4M3"},
    {DType::kFloat8E5M2, "F8_E5M2"},
}};

// Such tensors can stand in a file, and be passed over.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kListedOnly = {{
    {"U16", "uint16"},
    {"U32", "uint32"},
    {"U64", "uint64"},
    {"C64", "complex64"},
    {"F8_E8M0", "float8_e8m0fnu"},
}};

}  // namespace

std::string_view type_name(DType dtype) {
  for (const auto& [type, name] : kTypes)
    if (type == dtype) return name;
  return "";
}

std::string torch_dtype(std::string_view type_name) {
  for (const auto& [type, text] : kTypes)
    if (text == type_name) return std::string(name_of(type));
  for (const auto& [text, name] : kListedOnly)
    if (text == type_name) return std::string(name);
  return "";
}

}  // namespace lockstep::safetensors
