// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/error.h"
#include "parallel/gradient_reducer.h"
#include "tensors/tensor_span.h"

namespace lockstep {
namespace {

class FastReducer : public GradientReducer {
 public:
  FastReducer(World& world, const ReducePlan& plan) : world_(world), plan_(plan) {}

  torch::Tensor mean_over_micro_batches(const std::vector<PartialSum>& sums) override {
    torch::NoGradGuard no_grad;
    check(!sums.empty(), "every rank owns a micro-batch");
    const torch::Tensor total = sums[0].flat;
    for (std::size_t i = 1; i < sums.size(); ++i) total.add_(sums[i].flat);
    world_.device().all_reduce(span_of(total), span_of(total), ReduceOp::kSum);
    return total.div_(plan_.micro_batches);
  }

 private:
  World& world_;
  ReducePlan plan_;
};

}  // namespace

std::unique_ptr<GradientReducer> make_fast_reducer(World& world, const ReducePlan& plan) {
  return std::make_unique<FastReducer>(world, plan);
}

}  // namespace lockstep
