// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/shard.h"

#include <algorithm>

#include "checkpoint/digest.h"
#include "checkpoint/manifest.h"
#include "lockstep/base/error.h"

namespace lockstep {

ShardPlan plan_consolidated(std::span<const StateTensor> tensors) {
  ShardPlan plan{kConsolidated, {{"checkpoint.h5", {}}}};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Shape& shape = tensors[i].shape;
    plan.shards[0].pieces.push_back({i, 0, shape.empty() ? 1 : shape[0]});
  }
  return plan;
}

PlannedState plan_state(const CheckpointState& state) {
  // Each path is made once: a save has thousands of tensors, and the training waits for this.
  std::vector<std::pair<std::string, const StateTensor*>> by_path;
  for (const StateTensor& tensor : state.tensors) by_path.emplace_back(tensor.key.path(), &tensor);
  std::sort(by_path.begin(), by_path.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  const auto twin = std::adjacent_find(by_path.begin(), by_path.end(),
                                       [](const auto& a, const auto& b) { return a.first == b.first; });
  check(twin == by_path.end(), "every tensor of a state has a path of its own");
  PlannedState out{&state.record, {}, {}};
  for (const auto& [path, tensor] : by_path) out.tensors.push_back(*tensor);
  for (const StateTensor& tensor : out.tensors)
    check(tensor.bytes.size() == byte_count(tensor), "a tensor has the bytes its shape says");
  out.plan = plan_consolidated(out.tensors);
  return out;
}

StateTensor piece_of(std::span<const StateTensor> tensors, const ShardPiece& piece) {
  const StateTensor& whole = tensors[piece.tensor];
  if (whole.shape.empty() || piece.rows == whole.shape[0]) return whole;
  const std::size_t row = whole.bytes.size() / static_cast<std::size_t>(whole.shape[0]);
  return {{whole.key, rows_of(whole, piece.rows)},
          whole.bytes.subspan(static_cast<std::size_t>(piece.first_row) * row,
                              static_cast<std::size_t>(piece.rows) * row)};
}

}  // namespace lockstep
