// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <utility>

#include "lockstep/base/error.h"
#include "lockstep/comm/world.h"
#include "optim/clip.h"
#include "parallel/gradient_exchange.h"
#include "parallel/gradient_reducer.h"
#include "parallel/step_mean.h"

namespace lockstep {
namespace {

class MessageExchange : public GradientExchange {
 public:
  MessageExchange(const ModelArena& arena, std::unique_ptr<GradientReducer> reducer)
      : arena_(arena), reducer_(std::move(reducer)) {}

  void reduce(const std::vector<PartialSum>& sums) override {
    mean_.emplace(arena_, reducer_->mean_over_micro_batches(sums));
  }
  double loss() const override { return mean().loss(); }
  double norm() override { return global_norm(mean().gradients()); }

  void average() override {
    mean().give_gradients();
    mean().take_over_buffers();
  }
  void apply(FlatOptimizer* optimizer, const UpdateRate& rate) override { mean().apply(optimizer, rate); }
  void leave() override {}

 private:
  const StepMean& mean() const {
    check(mean_.has_value(), "an exchange begins with reduce()");
    return *mean_;
  }

  const ModelArena& arena_;
  std::unique_ptr<GradientReducer> reducer_;
  std::optional<StepMean> mean_;
};

}  // namespace

std::unique_ptr<GradientExchange> make_exchange(World& world, const ModelArena& arena,
                                                const ExchangePlan& plan) {
  const auto dtype = arena.values().scalar_type();
  const bool sums_itself = !plan.fast && arena.values().is_cpu() && arena.trainable_count() > 0 &&
                           (dtype == torch::kFloat32 || dtype == torch::kFloat64);
  if (plan.domain != nullptr && sums_itself)
    if (auto shared = make_shared_exchange(*plan.domain, arena, plan.micro_batches)) return shared;
  const ReducePlan reduce{plan.micro_batches, arena.contribution_count(), arena.values().options()};
  return std::make_unique<MessageExchange>(
      arena, plan.fast ? make_fast_reducer(world, reduce) : make_exact_reducer(world, reduce));
}

}  // namespace lockstep
