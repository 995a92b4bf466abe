// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "optim/clip.h"
#include "parallel/common_sums.h"
#include "parallel/domain_mean.h"
#include "parallel/domain_slices.h"

namespace lockstep {

// The means of a step that a rank makes for the others of its domain, those of its slice: over what the ranks
// of one domain have in common, or what came from the other domains. Local, after sums().gather() and
// between()->exchange().
class SliceMeans {
 public:
  // `domain` and `arena` outlive it. Collective, where there are several domains.
  SliceMeans(HostDomain& domain, const ModelArena& arena, std::unique_ptr<CommonSums> sums, int micro_batches)
      : sums_(std::move(sums)) {
    if (domain.domains().size() > 1)
      between_ = std::make_unique<DomainMean>(domain, arena, micro_batches);
    else
      slice_ = DomainSlices(arena.trainable_count(), kNormBlock, domain.domains(), domain.rank()).local;
  }

  CommonSums& sums() const { return *sums_; }
  // Null: there is one domain.
  DomainMean* between() const { return between_.get(); }

  // As CommonSums::each_mean(), for slices().
  template <class Number, class Use>
  void each(Use&& use) const {
    if (between_ != nullptr) return between_->each_mean<Number>(use);
    sums_->each_mean<Number>(slice_, {}, use);
  }
  std::vector<Slice> slices() const {
    return between_ == nullptr ? std::vector<Slice>{slice_} : between_->there();
  }

 private:
  std::unique_ptr<CommonSums> sums_;
  std::unique_ptr<DomainMean> between_;
  Slice slice_;  // of one domain
};

}  // namespace lockstep
