// SPDX-License-Identifier: Apache-2.0
#include "parallel/common_tensors.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

#include "base/aligned_block.h"
#include "comm/agree.h"
#include "lockstep/base/error.h"
#include "tensors/page_zeros.h"

namespace lockstep {

torch::Tensor zeros_in_common(HostDomain& domain, const CommonExtent& extent,
                              const torch::TensorOptions& options) {
  if (domain.is_alone()) return zeros_from_a_page_on(extent.count, options);
  const std::size_t element = options.dtype().itemsize();
  const std::size_t shared = round_up_to_direct(static_cast<std::size_t>(extent.common) * element);
  check(extent.count == extent.common || shared == static_cast<std::size_t>(extent.common) * element,
        "what ranks have in common ends a page");
  const std::size_t bytes = std::max(static_cast<std::size_t>(extent.count) * element, kDirectAlignment);
  const auto memory = domain.memory(bytes, extent.pages);
  if (memory == nullptr) return {};
  memory->keep_private_from(shared);
  const auto lives_as_long = [memory](void*) {};
  return torch::from_blob(memory->data(), {extent.count}, lives_as_long, options.requires_grad(false));
}

std::int64_t in_whole_pages(std::int64_t count, const torch::TensorOptions& options) {
  const std::size_t element = options.dtype().itemsize();
  return static_cast<std::int64_t>(round_up_to_direct(static_cast<std::size_t>(count) * element) / element);
}

void give_back_pages(const torch::Tensor& part) {
  const auto begin = reinterpret_cast<std::uintptr_t>(part.const_data_ptr());
  const std::uintptr_t first = round_up_to_direct(begin);
  const std::uintptr_t end = (begin + part.nbytes()) / kDirectAlignment * kDirectAlignment;
  if (first < end) ::madvise(reinterpret_cast<void*>(first), end - first, MADV_REMOVE);
}

torch::Tensor required_in_common(HostDomain& domain, std::int64_t count,
                                 const torch::TensorOptions& options) {
  torch::Tensor zeros = zeros_in_common(domain, count, options);
  if (!zeros.defined())
    throw AgreedFault(ExitCode::kCannotStart, "there is no room for the gradients in shared memory",
                      "Give the job more memory, or set dist.shared_memory: false");
  return zeros;
}

}  // namespace lockstep
