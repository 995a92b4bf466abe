// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/shard_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "checkpoint/digest.h"
#include "checkpoint/manifest.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace {

constexpr std::uint64_t kWorthSharding = 64u << 20;
// Whole tensors up to the size of a leaf balance as well as leaves do.
constexpr std::uint64_t kSmall = 256 * 1024;

// Only floats are split: the index shows rows whose file is missing as NaN, which integers have not.
bool may_be_split(const StateTensor& tensor) {
  return tensor.shape.size() >= 2 && is_floating(tensor.dtype) && !tensor.bytes.empty();
}

std::int64_t rows_in(const StateTensor& tensor) {
  return tensor.shape.empty() ? 1 : tensor.shape[0];
}

// Large tensors that stay whole go first, the largest to the emptiest shard: what can be cut fills the rest.
std::vector<std::size_t> large_whole(std::span<const StateTensor> tensors) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (!may_be_split(tensors[i]) && tensors[i].bytes.size() > kSmall) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return tensors[a].bytes.size() > tensors[b].bytes.size(); });
  return order;
}

// The level to which `bytes` more fill shards of these loads, as water does: those above it get nothing.
std::uint64_t water_level(std::vector<std::uint64_t> loads, std::uint64_t bytes) {
  std::sort(loads.begin(), loads.end());
  std::uint64_t below = bytes;
  for (std::size_t n = 1; n <= loads.size(); ++n) {
    below += loads[n - 1];
    const std::uint64_t level = (below + n - 1) / n;
    if (n == loads.size() || level <= loads[n]) return level;
  }
  return 0;
}

// The row nearest to `bytes` at which the tensor may be cut.
std::int64_t nearest_cut(const StateTensor& tensor, std::uint64_t bytes) {
  const std::uint64_t size = tensor.bytes.size();
  const std::uint64_t leaf = may_be_split(tensor) ? leaf_bytes(tensor) : size;
  const std::uint64_t before = bytes / leaf * leaf;
  const std::uint64_t after = std::min(before + leaf, size);
  const std::uint64_t cut = bytes - before <= after - bytes ? before : after;
  return static_cast<std::int64_t>(cut / (size / static_cast<std::uint64_t>(rows_in(tensor))));
}

// Lays tensors end to end and cuts them into the shards, each as full as its quota says.
class Filler {
 public:
  Filler(ShardPlan& plan, std::vector<std::uint64_t> quotas) : plan_(plan), quotas_(std::move(quotas)) {
    end_ = quotas_[0];
  }

  void put(std::size_t index, const StateTensor& tensor) {
    const std::int64_t rows = rows_in(tensor);
    std::int64_t first = 0;
    while (end_ < at_ + tensor.bytes.size() && shard_ + 1 < quotas_.size()) {
      const std::int64_t cut = nearest_cut(tensor, end_ - at_);
      if (cut > first) add(index, first, cut - first);
      first = std::max(first, cut);
      ++shard_;
      end_ += quotas_[shard_];
    }
    if (first < rows || tensor.bytes.empty()) add(index, first, rows - first);
    at_ += tensor.bytes.size();
  }

 private:
  void add(std::size_t index, std::int64_t first, std::int64_t rows) {
    plan_.shards[shard_].pieces.push_back({index, first, rows});
  }

  ShardPlan& plan_;
  std::vector<std::uint64_t> quotas_;
  std::size_t shard_ = 0;
  std::uint64_t at_ = 0;   // bytes laid so far
  std::uint64_t end_ = 0;  // of the shard that is being filled
};

}  // namespace

ShardPlan plan_sharded(std::span<const StateTensor> tensors, int shards) {
  check(shards >= 1, "a sharded checkpoint has at least one shard");
  ShardPlan plan{kSharded, {}};
  for (int s = 0; s < shards; ++s)
    plan.shards.push_back({fmt::format("shard-{:05}-of-{:05}.h5", s, shards), {}});
  std::vector<std::uint64_t> loads(plan.shards.size());
  std::vector<bool> placed(tensors.size());
  for (const std::size_t i : large_whole(tensors)) {
    const auto emptiest = std::min_element(loads.begin(), loads.end());
    *emptiest += tensors[i].bytes.size();
    plan.shards[static_cast<std::size_t>(emptiest - loads.begin())].pieces.push_back(
        {i, 0, rows_in(tensors[i])});
    placed[i] = true;
  }
  std::uint64_t rest = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (!placed[i]) rest += tensors[i].bytes.size();
  const std::uint64_t level = water_level(loads, rest);
  std::vector<std::uint64_t> quotas;
  for (const std::uint64_t load : loads) quotas.push_back(load < level ? level - load : 0);
  Filler filler(plan, std::move(quotas));
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (!placed[i]) filler.put(i, tensors[i]);
  for (ShardPlan::Shard& shard : plan.shards)
    std::sort(shard.pieces.begin(), shard.pieces.end(),
              [](const ShardPiece& a, const ShardPiece& b) { return a.tensor < b.tensor; });
  return plan;
}

bool worth_sharding(std::uint64_t state_bytes, WorldSize world) {
  return world.value > 1 && state_bytes >= kWorthSharding;
}

}  // namespace lockstep
