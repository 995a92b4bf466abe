// SPDX-License-Identifier: Apache-2.0
#include "parallel/buckets.h"

#include <algorithm>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

std::vector<std::size_t> completed(const std::vector<std::int64_t>& order, std::size_t parameters) {
  std::vector<char> listed(parameters, 0);
  std::vector<std::size_t> all;
  for (const std::int64_t index : order) {
    all.push_back(static_cast<std::size_t>(index));
    check(all.back() < parameters && !listed[all.back()], "an order names each parameter once");
    listed[all.back()] = 1;
  }
  for (std::size_t i = parameters; i-- > 0;)
    if (!listed[i]) all.push_back(i);
  return all;
}

std::vector<Slice> ranges_of(const ModelArena& arena, std::vector<std::size_t> parameters) {
  std::ranges::sort(parameters);
  std::vector<Slice> ranges;
  for (const std::size_t i : parameters) {
    const bool is_last = i + 1 == arena.trainable().size();
    const Slice range{arena.trainable()[i].offset,
                      is_last ? arena.trainable_count() : arena.trainable()[i + 1].offset};
    if (!ranges.empty() && ranges.back().end == range.begin)
      ranges.back().end = range.end;
    else
      ranges.push_back(range);
  }
  return ranges;
}

}  // namespace

std::vector<Bucket> cut_into_buckets(const ModelArena& arena, const std::vector<std::int64_t>& order,
                                     const BucketSizes& sizes) {
  const auto element = static_cast<std::int64_t>(arena.values().element_size());
  std::vector<Bucket> buckets;
  std::int64_t bytes = 0;
  for (const std::size_t i : completed(order, arena.trainable().size())) {
    if (buckets.empty() || bytes >= (buckets.size() == 1 ? sizes.first_bytes : sizes.bytes)) {
      buckets.emplace_back();
      bytes = 0;
    }
    buckets.back().parameters.push_back(i);
    bytes += arena.trainable()[i].count * element;
  }
  for (Bucket& bucket : buckets) bucket.ranges = ranges_of(arena, bucket.parameters);
  return buckets;
}

}  // namespace lockstep
