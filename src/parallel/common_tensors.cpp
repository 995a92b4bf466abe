// SPDX-License-Identifier: Apache-2.0
#include "parallel/common_tensors.h"

#include <algorithm>

#include "base/aligned_block.h"
#include "lockstep/base/error.h"
#include "tensors/page_zeros.h"

namespace lockstep {

torch::Tensor zeros_in_common(HostDomain& domain, std::int64_t count, std::int64_t common,
                              const torch::TensorOptions& options) {
  if (domain.size() == 1) return zeros_from_a_page_on(count, options);
  const std::size_t element = options.dtype().itemsize();
  const std::size_t shared = round_up_to_direct(static_cast<std::size_t>(common) * element);
  check(count == common || shared == static_cast<std::size_t>(common) * element,
        "what ranks have in common ends a page");
  const auto memory = domain.memory(std::max(static_cast<std::size_t>(count) * element, kDirectAlignment));
  if (memory == nullptr) return {};
  memory->keep_private_from(shared);
  const auto lives_as_long = [memory](void*) {};
  return torch::from_blob(memory->data(), {count}, lives_as_long, options.requires_grad(false));
}

}  // namespace lockstep
