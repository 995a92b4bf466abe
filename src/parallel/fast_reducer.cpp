// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/error.h"
#include "parallel/gradient_reducer.h"
#include "tensors/tensor_span.h"

namespace lockstep {
namespace {

class FastReducer : public GradientReducer {
 public:
  FastReducer(World& world, const ReducePlan& plan)
      : world_(world),
        plan_(plan),
        mean_(torch::zeros({plan.contribution_count}, plan.options)),
        registered_(world.device().register_memory(span_of(mean_))) {}

  void scatter(const std::vector<PartialSum>& sums, std::span<const Slice> ranges) override {
    const torch::NoGradGuard no_grad;
    check(!sums.empty(), "every rank owns a micro-batch");
    for (auto next = ranges.begin(); next != ranges.end();) {
      // Neighbours at once: in which order a backend adds depends on the length.
      Slice range = *next++;
      while (next != ranges.end() && next->begin == range.end) range.end = (next++)->end;
      const auto of = [&](const torch::Tensor& flat) { return flat.narrow(0, range.begin, range.count()); };
      torch::Tensor mean = of(mean_);
      torch::Tensor total = of(sums[0].flat);
      for (std::size_t i = 1; i < sums.size(); ++i) {
        torch::add_out(mean, total, of(sums[i].flat));
        total = mean;
      }
      world_.device().all_reduce(span_of(total), span_of(mean), ReduceOp::kSum);
      mean.div_(plan_.micro_batches);
    }
  }

  void gather(std::span<const Slice> /*ranges*/) override {}

  const torch::Tensor& mean() const override { return mean_; }

 private:
  World& world_;
  ReducePlan plan_;
  torch::Tensor mean_;
  std::shared_ptr<const void> registered_;
};

}  // namespace

std::unique_ptr<GradientReducer> make_fast_reducer(World& world, const ReducePlan& plan) {
  return std::make_unique<FastReducer>(world, plan);
}

}  // namespace lockstep
