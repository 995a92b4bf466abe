// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lockstep/base/dtype.h"

// What reader and writer of safetensors share: u64 little-endian length of the header, the header (JSON), the
// tensors' bytes without a gap.
namespace lockstep::safetensors {

inline constexpr std::uint64_t kLengthBytes = 8;
inline constexpr std::uint64_t kMaxHeader = 64u << 20;
inline constexpr std::size_t kMaxTensors = 100'000;
inline constexpr const char* kMetadata = "__metadata__";

// "F32", "BF16", "F8_E4M3", …; each dtype of Lockstep has one.
std::string_view type_name(DType dtype);
// PyTorch's name of a type: "float32" of F32. Also of those that Lockstep does not have ("complex64"); empty
// for a type that is not known.
std::string torch_dtype(std::string_view type_name);

}  // namespace lockstep::safetensors
