// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace lockstep {

// Flat zeros whose place in their pages is known, which allocators do not promise: a checkpoint writes what
// lies on a page straight from memory. On the CPU in huge pages where there are (Note [huge pages]).

// From the beginning of a page on.
torch::Tensor zeros_from_a_page_on(std::int64_t count, const torch::TensorOptions& options);

// As many as `flat` has, of its dtype and device, as far into a page as it: what can be written straight from
// memory of the one, can of the other.
torch::Tensor zeros_placed_like(const torch::Tensor& flat);

}  // namespace lockstep
