// SPDX-License-Identifier: Apache-2.0
#include "tensors/page_zeros.h"

#include <ATen/ops/empty.h>

#include "base/aligned_block.h"
#include "base/huge_pages.h"

namespace lockstep {

namespace {

constexpr std::int64_t kPageBytes{kDirectAlignment};

std::int64_t place_in_page(const torch::Tensor& tensor) {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) % kPageBytes);
}

// The first of them `place` bytes into a page.
torch::Tensor zeros_at(std::int64_t place, std::int64_t count, const torch::TensorOptions& options) {
  const auto element = static_cast<std::int64_t>(options.dtype().itemsize());
  const torch::Tensor memory = torch::empty({count + kPageBytes / element}, options.requires_grad(false));
  if (memory.is_cpu()) prefer_huge_pages(memory.data_ptr(), memory.nbytes());
  memory.zero_();
  const std::int64_t ahead = (place - place_in_page(memory) + kPageBytes) % kPageBytes;
  // A view of autograd's would hold `memory` even when it is given another place (set_data).
  return memory.narrow(0, ahead / element, count).variable_data();
}

}  // namespace

torch::Tensor zeros_from_a_page_on(std::int64_t count, const torch::TensorOptions& options) {
  return zeros_at(0, count, options);
}

torch::Tensor zeros_placed_like(const torch::Tensor& flat) {
  return zeros_at(place_in_page(flat), flat.numel(), flat.options());
}

}  // namespace lockstep
