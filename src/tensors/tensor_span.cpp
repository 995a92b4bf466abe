// SPDX-License-Identifier: Apache-2.0
#include "tensors/tensor_span.h"

#include <algorithm>
#include <array>
#include <utility>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {
constexpr std::array<std::pair<DType, torch::ScalarType>, 12> kTypes = {{
    {DType::kBool, torch::kBool},
    {DType::kUInt8, torch::kUInt8},
    {DType::kInt8, torch::kInt8},
    {DType::kInt16, torch::kInt16},
    {DType::kInt32, torch::kInt32},
    {DType::kInt64, torch::kInt64},
    {DType::kFloat16, torch::kFloat16},
    {DType::kBFloat16, torch::kBFloat16},
    {DType::kFloat32, torch::kFloat32},
    {DType::kFloat64, torch::kFloat64},
    {DType::kFloat8E4M3, torch::kFloat8_e4m3fn},
    {DType::kFloat8E5M2, torch::kFloat8_e5m2},
}};
}  // namespace

MutableSpan span_of(const torch::Tensor& tensor) {
  check(tensor.is_contiguous(), "a span is contiguous");
  return {tensor.data_ptr(), static_cast<std::size_t>(tensor.numel()), dtype_of(tensor.scalar_type())};
}

bool has_dtype(torch::ScalarType type) {
  return std::ranges::any_of(kTypes, [&](const auto& pair) { return pair.second == type; });
}

DType dtype_of(torch::ScalarType type) {
  for (const auto& [ours, theirs] : kTypes)
    if (theirs == type) return ours;
  raise_bug(c10::toString(type), std::source_location::current());
}

torch::ScalarType scalar_type_of(DType dtype) {
  for (const auto& [ours, theirs] : kTypes)
    if (ours == dtype) return theirs;
  raise_bug(name_of(dtype), std::source_location::current());
}

}  // namespace lockstep
