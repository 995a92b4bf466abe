// SPDX-License-Identifier: Apache-2.0
#include "parallel/mean_rows.h"

#include <cstddef>
#include <span>

#include "base/stream_copy.h"
#include "parallel/common_tensors.h"

namespace lockstep {

std::unique_ptr<MeanRows> MeanRows::make(HostDomain& domain, const ModelArena& arena) {
  const std::int64_t count = arena.trainable_count();
  const std::int64_t length = in_whole_pages(count, arena.values().options());
  const torch::Tensor flat = required_in_common(domain, domain.size() * length, arena.values().options());
  return std::unique_ptr<MeanRows>(new MeanRows(domain, flat.view({domain.size(), length}), count));
}

void MeanRows::write(std::int64_t first, std::int64_t count, const void* mean) const {
  const auto element = static_cast<std::size_t>(rows_.element_size());
  const std::span bytes(static_cast<const std::byte*>(mean), static_cast<std::size_t>(count) * element);
  const std::size_t row = static_cast<std::size_t>(rows_.stride(0)) * element;
  auto* place = static_cast<std::byte*>(rows_.mutable_data_ptr()) + static_cast<std::size_t>(first) * element;
  for (int rank = 0; rank < domain_.size(); ++rank, place += row) stream_copy(bytes, place);
}

torch::Tensor MeanRows::mine() const {
  return rows_[domain_.rank()].narrow(0, 0, count_);
}

}  // namespace lockstep
