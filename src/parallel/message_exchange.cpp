// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "comm/agree.h"
#include "comm/domain/host_domain.h"
#include "lockstep/base/error.h"
#include "lockstep/comm/world.h"
#include "optim/clip.h"
#include "parallel/early_exchange.h"
#include "parallel/gradient_exchange.h"
#include "parallel/gradient_reducer.h"
#include "parallel/ownership.h"
#include "parallel/rank_cut.h"
#include "parallel/rank_slots.h"
#include "parallel/step_mean.h"
#include "tensors/tensor_span.h"

namespace lockstep {
namespace {

class MessageExchange : public GradientExchange {
 public:
  MessageExchange(World& world, const ModelArena& arena, const ExchangePlan& plan)
      : world_(world),
        arena_(arena),
        cut_({0, arena.trainable_count()}, world.size().value),
        is_sharded_(plan.sharded && world.size().value > 1 && arena.trainable_count() > 0) {
    const ReducePlan reduce{plan.micro_batches, arena.contribution_count(), arena.values().options()};
    reducer_ = plan.fast ? make_fast_reducer(world, reduce) : make_exact_reducer(world, reduce);
    if (!arena.values().is_cpu()) register_contributions(world, plan);
    if (is_sharded_)
      refuse_overlap(plan);
    else if (const auto way = EarlyExchange::way(world, arena, plan))
      early_ = std::make_unique<EarlyExchange>(
          world, arena, *way,
          [this](const auto& sums, std::span<const Slice> ranges) { reducer_->reduce(sums, ranges); });
  }

  std::vector<torch::Tensor> contributions() const override { return contributions_; }
  EarlyExchange* early() const override { return early_.get(); }

  StateCopies share_state(ModelArena& /*arena*/, FlatOptimizer& optimizer) override {
    if (!is_sharded_) return StateCopies::kOfEachRank;
    require_elementwise(optimizer);
    together(world_, [&] { slots_ = std::make_unique<RankSlots>(world_, cut_, optimizer); });
    return StateCopies::kOfEachRank;
  }
  PartedSlots* parted_slots() override { return slots_.get(); }

  void reduce(const std::vector<PartialSum>& sums) override {
    const Slice all{0, arena_.contribution_count()};
    if (is_sharded_)
      reduce_own(sums);
    else
      early_ ? early_->finish(sums) : reducer_->reduce(sums, {&all, 1});
    mean_.emplace(arena_, reducer_->mean());
  }
  double loss() const override { return mean().loss(); }
  double norm() override { return global_norm(whole_mean().gradients()); }

  void average() override {
    whole_mean().give_gradients();
    mean().take_over_buffers();
  }
  void apply(FlatOptimizer* optimizer, const UpdateRate& rate) override {
    mean().apply(optimizer, rate);
    if (slots_ == nullptr || optimizer == nullptr) return;
    const auto of = [&](Slice slice) {
      return span_of(arena_.values().narrow(0, slice.begin, slice.count()));
    };
    if (cut_.part > 0) world_.device().all_gather(of(cut_.part_of(world_.rank().value)), of(cut_.parts()));
  }
  void leave() override {}

 private:
  void register_contributions(World& world, const ExchangePlan& plan) {
    const MicroBatchRun mine = run_of(world, plan.micro_batches);
    for (std::size_t i = 0; i < ContributionStack::depth_for(mine, plan.micro_batches); ++i) {
      contributions_.push_back(arena_.new_contribution());
      registered_.push_back(world.device().register_memory(span_of(contributions_.back())));
    }
  }

  // Collective. The mean of this rank's part, and of what is not cut.
  void reduce_own(const std::vector<PartialSum>& sums) {
    const std::array<Slice, 2> ranges = {cut_.parts(), {cut_.parts().end, arena_.contribution_count()}};
    reducer_->scatter(sums, ranges);
    reducer_->gather({&ranges[1], 1});
    lacks_parts_ = true;
  }
  // Collective.
  const StepMean& whole_mean() {
    const Slice parts = cut_.parts();
    if (std::exchange(lacks_parts_, false)) reducer_->gather({&parts, 1});
    return mean();
  }

  static void refuse_overlap(const ExchangePlan& plan) {
    if (plan.overlap == "on")
      throw AgreedFault(ExitCode::kConfig,
                        "optim.sharded beside dist.overlap: on, where ranks exchange messages: with it their "
                        "gradients leave after the backward pass",
                        "Leave one of them out; dist.overlap: auto fits both");
  }

  static void require_elementwise(const FlatOptimizer& optimizer) {
    if (!optimizer.is_elementwise())
      throw AgreedFault(ExitCode::kConfig, "optim.sharded needs an optimizer of Lockstep's own",
                        "Set optim.sharded: false, or take sgd, adam or adamw");
  }

  const StepMean& mean() const {
    check(mean_.has_value(), "an exchange begins with reduce()");
    return *mean_;
  }

  World& world_;
  const ModelArena& arena_;
  RankCut cut_;  // who updates what, where state is sharded
  bool is_sharded_;
  bool lacks_parts_ = false;  // of the mean, those of other ranks
  std::unique_ptr<RankSlots> slots_;
  std::vector<torch::Tensor> contributions_;  // on a device
  std::vector<std::shared_ptr<const void>> registered_;
  std::unique_ptr<GradientReducer> reducer_;
  std::unique_ptr<EarlyExchange> early_;
  std::optional<StepMean> mean_;
};

}  // namespace

std::unique_ptr<GradientExchange> make_exchange(World& world, const ModelArena& arena,
                                                const ExchangePlan& plan) {
  const auto dtype = arena.values().scalar_type();
  const bool sums_itself = !plan.fast && arena.values().is_cpu() && arena.trainable_count() > 0 &&
                           (dtype == torch::kFloat32 || dtype == torch::kFloat64);
  if (plan.domain != nullptr && sums_itself)
    if (auto shared = make_shared_exchange(*plan.domain, arena, plan)) return shared;
  return std::make_unique<MessageExchange>(world, arena, plan);
}

}  // namespace lockstep
