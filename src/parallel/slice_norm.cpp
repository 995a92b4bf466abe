// SPDX-License-Identifier: Apache-2.0
#include "parallel/slice_norm.h"

#include <ATen/Dispatch.h>

#include <cmath>
#include <vector>

#include "comm/domain/host_domain.h"
#include "optim/clip.h"
#include "parallel/common_tensors.h"
#include "parallel/slice_means.h"

namespace lockstep {

SliceNorm::SliceNorm(HostDomain& domain, const ModelArena& arena)
    : domain_(domain),
      arena_(arena),
      squares_(required_in_common(domain, (arena.trainable_count() + kNormBlock - 1) / kNormBlock,
                                  torch::kFloat64)) {}

double SliceNorm::of(const SliceMeans& means, bool parted) {
  std::vector<BlockSquares> blocks(static_cast<std::size_t>(squares_.numel()));
  const auto block_of = [](std::int64_t element) { return static_cast<std::size_t>(element / kNormBlock); };
  AT_DISPATCH_FLOATING_TYPES(arena_.values().scalar_type(), "norm", [&] {
    means.each<scalar_t>([&](std::int64_t first, std::int64_t count, const PendingMean<scalar_t>& mean) {
      blocks[block_of(first)].add(mean, count);
    });
  });
  for (const Slice& slice : means.slices())
    for (std::int64_t first = slice.begin; first < slice.end; first += kNormBlock)
      squares_.mutable_data_ptr<double>()[block_of(first)] = blocks[block_of(first)].sum();
  if (parted) means.between()->share(squares_, 0, kNormBlock);
  domain_.barrier("squares are there");
  double sum = 0;
  for (std::int64_t i = 0; i < squares_.numel(); ++i) sum += squares_.const_data_ptr<double>()[i];
  return std::sqrt(sum);
}

}  // namespace lockstep
