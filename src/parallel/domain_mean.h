// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "comm/domain/host_domain.h"
#include "optim/clip.h"
#include "parallel/arena.h"
#include "parallel/domain_slices.h"
#include "parallel/tree_sum.h"
#include "tensors/in_parallel.h"

namespace lockstep {

class CommonSums;

// The mean over all micro-batches of a step where ranks lie in several domains: each domain's sums, made in
// the memory its ranks have in common, travel to the others as messages (DomainSlices). Sums of complete
// subtrees alone travel, so the bits are those of any other road (Note [fixed-order sum]).
class DomainMean {
 public:
  // Collective. `domain` and `arena` outlive it. Throws AgreedFault (69) where there is no room.
  DomainMean(HostDomain& domain, const ModelArena& arena, int micro_batches);

  const DomainSlices& slices() const { return slices_; }

  // Collective, after sums.gather(). This rank has the mean of slices().own then.
  void exchange(const CommonSums& sums);
  // Collective, after exchange(). And of all of slices().local; nothing is to do the second time.
  void complete();
  // Collective. Of `flat`, a value for each `unit` elements from `begin` on, each part of slices().local from
  // the rank whose own it is.
  void share(const torch::Tensor& flat, std::int64_t begin, std::int64_t unit);

  // Local, after exchange(). Of what this rank has the mean of (there()), as CommonSums::each_mean().
  template <class Number, class Use>
  void each_mean(Use&& use) const {
    for (const Slice& part : there_) {
      const auto* const values = mean_.const_data_ptr<Number>() + (part.begin - slices_.local.begin);
      const std::int64_t blocks = (part.count() + kNormBlock - 1) / kNormBlock;
      in_parallel(0, blocks, 1, [&](std::int64_t from, std::int64_t to) {
        const std::int64_t end = std::min(to * kNormBlock, part.count());
        for (std::int64_t at = from * kNormBlock; at < end; at += TreeSum::kStretch)
          use(part.begin + at, std::min(TreeSum::kStretch, end - at), PendingMean<Number>{values + at});
      });
    }
  }
  const std::vector<Slice>& there() const { return there_; }
  // Local, after exchange(). Of the other domains, what lies behind the gradients; as `others` of
  // CommonSums::each_mean().
  const std::vector<torch::Tensor>& other_rests() const { return other_rests_; }

 private:
  // A sum of this rank's domain on its way to another.
  struct Leaving {
    std::size_t node;
    Slice slice;
    torch::Tensor values;
  };
  void plan_messages(std::size_t own_nodes, const std::vector<std::size_t>& first_node);
  void plan_rests(std::size_t own_nodes, const std::vector<std::size_t>& first_node);
  void leave(std::size_t node, Slice slice, Rank to);
  void receive(const torch::Tensor& values, Rank from);
  torch::Tensor empty(std::int64_t count) const { return torch::empty({count}, arena_.values().options()); }

  HostDomain& domain_;
  const ModelArena& arena_;
  DomainSlices slices_;
  std::vector<Leaving> leaving_;
  std::vector<Outgoing> sends_;
  std::vector<Incoming> receives_;
  std::vector<std::vector<torch::Tensor>> others_;  // of each of slices_.own, the sums of the other domains
  std::vector<torch::Tensor> other_rests_;          // in common
  torch::Tensor mean_;                              // of slices_.local, as far as it is …
  std::vector<Slice> there_;                        // … there
  bool is_complete_ = false;                        // alike on all ranks: a part may be all of a slice
};

}  // namespace lockstep
