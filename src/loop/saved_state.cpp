// SPDX-License-Identifier: Apache-2.0
#include "loop/saved_state.h"

#include <utility>

#include "parallel/arena.h"
#include "tensors/tensor_span.h"

namespace lockstep {

std::vector<StateTensor> SavedState::tensors() {
  const torch::NoGradGuard no_grad;
  for (const Persisted& item : persisted())
    if (!item.live.device().is_cpu()) item.host.copy_(item.live);
  return host_tensors();
}

SavedState::Persisted SavedState::persist(TensorKey key, const torch::Tensor& live, bool steady) {
  const torch::Tensor host =
      live.device().is_cpu()
          ? live
          : torch::empty(live.sizes(), live.options().device(torch::kCPU).pinned_memory(true));
  return {std::move(key), live, host, steady};
}

StateTensor SavedState::in_host_memory(const Persisted& item) {
  const MutableSpan span = span_of(item.host);
  return {{item.key, span.dtype, item.host.sizes().vec()},
          {static_cast<const std::byte*>(span.data), span.bytes()}};
}

}  // namespace lockstep
