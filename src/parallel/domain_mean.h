// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <span>
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

  // What of a mean a rank gets: slices().own, or all of slices().local.
  enum class Part { kOwn, kLocal };

  // Collective, after sums.gather(), with the same ranges of a contribution on all ranks, and the same part
  // for all ranges of a step. This rank has the mean of what lies in them of that part then.
  void exchange(const CommonSums& sums, std::span<const Slice> ranges, Part part);
  // Collective. Of `flat`, a value for each `unit` elements from `begin` on, each part of slices().local from
  // the rank whose own it is.
  void share(const torch::Tensor& flat, std::int64_t begin, std::int64_t unit);

  // Local, once all ranges of a step were exchanged. Of what this rank has the mean of (there()), as
  // CommonSums::each_mean().
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
  // Local, behind a barrier of the domain after exchange() of that range. Of the other domains, what lies
  // behind the gradients; as `others` of CommonSums::each_mean().
  const std::vector<torch::Tensor>& other_rests() const { return other_rests_; }

 private:
  // A domain's sum over its node-th node, on its way from or to another domain's `peer`.
  struct Message {
    Rank peer;
    std::size_t node;
    Slice slice;
    torch::Tensor values;

    torch::Tensor at(Slice part) const { return values.narrow(0, part.begin - slice.begin, part.count()); }
  };
  void plan_messages(std::size_t own_nodes, const std::vector<std::size_t>& first_node);
  void plan_rests(std::size_t own_nodes, const std::vector<std::size_t>& first_node);
  void leave(Slice slice, std::size_t own_nodes, Rank to);
  void send_sums(const CommonSums& sums, std::span<const Slice> ranges);
  void find_means(const CommonSums& sums, std::span<const Slice> ranges);
  void share(const torch::Tensor& flat, std::int64_t begin, std::int64_t unit, std::span<const Slice> ranges);
  torch::Tensor empty(std::int64_t count) const { return torch::empty({count}, arena_.values().options()); }

  HostDomain& domain_;
  const ModelArena& arena_;
  DomainSlices slices_;
  std::vector<Message> leaving_;
  std::vector<Message> arriving_;
  std::vector<std::vector<torch::Tensor>> others_;  // of each of slices_.own, the sums of the other domains
  std::vector<torch::Tensor> other_rests_;          // in common
  torch::Tensor mean_;                              // of slices_.local, as far as it is …
  std::vector<Slice> there_;                        // … there
};

}  // namespace lockstep
