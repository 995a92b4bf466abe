// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "lockstep/base/dtype.h"

namespace lockstep {

// Bytes of one element of a PyTorch dtype ("complex64" too); empty for a name PyTorch does not have.
std::optional<std::size_t> torch_element_size(std::string_view dtype);

// "FloatStorage" to "float32"; "UntypedStorage" to "uint8". Empty for anything else.
std::optional<std::string> dtype_of_storage(std::string_view storage);

// The inverse for what Lockstep writes; empty for the 8-bit floats, which PyTorch keeps in untyped storages.
std::optional<std::string> storage_of_dtype(DType dtype);

}  // namespace lockstep
