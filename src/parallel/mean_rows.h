// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <memory>

#include "comm/domain/host_domain.h"
#include "parallel/arena.h"

namespace lockstep {

// The mean gradient, once for each rank of a domain to do with as it likes, in memory that all have: whoever
// has summed a stretch writes it to every rank's row, past the caches. So a step reads each gradient once and
// writes each mean once for each rank, and nobody copies anything.
class MeanRows {
 public:
  // Collective. Throws AgreedFault (69) where there is no room.
  static std::unique_ptr<MeanRows> make(HostDomain& domain, const ModelArena& arena);

  // Local. The same stretch of every row. Another rank may read it behind a barrier.
  void write(std::int64_t first, std::int64_t count, const void* mean) const;
  // Local. This rank's: the trainable parameters' gradients, laid out as in the arena.
  torch::Tensor mine() const;

 private:
  MeanRows(const HostDomain& domain, torch::Tensor rows, std::int64_t count)
      : domain_(domain), rows_(std::move(rows)), count_(count) {}

  const HostDomain& domain_;
  torch::Tensor rows_;  // [ranks, values]; a row begins a page
  std::int64_t count_;
};

}  // namespace lockstep
