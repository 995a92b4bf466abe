// SPDX-License-Identifier: Apache-2.0
#include <ATen/Dispatch.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "comm/agree.h"
#include "comm/domain/host_domain.h"
#include "lockstep/base/error.h"
#include "optim/clip.h"
#include "parallel/common_state.h"
#include "parallel/common_tensors.h"
#include "parallel/early_exchange.h"
#include "parallel/gradient_exchange.h"
#include "parallel/mean_rows.h"
#include "parallel/slice_means.h"
#include "parallel/slice_norm.h"
#include "parallel/step_mean.h"

namespace lockstep {
namespace {

class SharedExchange : public GradientExchange {
 public:
  SharedExchange(HostDomain& domain, const ModelArena& arena, std::unique_ptr<CommonSums> sums,
                 const ExchangePlan& plan)
      : domain_(domain),
        arena_(arena),
        means_(domain, arena, std::move(sums), plan.micro_batches),
        rest_(torch::zeros({arena.contribution_count() - arena.trainable_count()}, arena.values().options())),
        is_sharded_(plan.sharded && means_.between() != nullptr) {}

  // Once, at the start.
  void leave_early(const EarlyExchange::Way& way) {
    early_ = std::make_unique<EarlyExchange>(
        domain_.world(), arena_, way,
        [this](const auto& own, std::span<const Slice> ranges) { exchange(own, ranges); });
  }

  StateCopies share_state(ModelArena& arena, FlatOptimizer& optimizer) override {
    const bool can = optimizer.updates_in_parts();
    updates_slices_ = can && domain_.is_alone();
    if (updates_slices_) return StateCopies::kOne;
    if (can) state_ = CommonState::make(domain_, arena, optimizer, is_sharded_);
    if (state_ == nullptr && is_sharded_)
      throw AgreedFault(ExitCode::kConfig,
                        "optim.sharded needs an optimizer of Lockstep's own, and memory for it",
                        "Set optim.sharded: false, or give the job more memory");
    if (state_ == nullptr) return StateCopies::kOfEachRank;
    updates_slices_ = true;
    return between() == nullptr ? StateCopies::kOne : StateCopies::kOfEachDomain;
  }
  PartedSlots* parted_slots() override { return state_ == nullptr ? nullptr : state_->parted(); }

  void state_was_written() override {
    if (state_ != nullptr) state_->was_written();
  }
  std::optional<Fault> touched() const override {
    return state_ == nullptr ? std::nullopt : state_->touched();
  }

  void end_sharing(ModelArena& arena) override {
    if (state_ != nullptr) CommonState::leave(std::move(state_), arena);
  }

  std::vector<torch::Tensor> contributions() const override { return sums().slots(); }
  EarlyExchange* early() const override { return early_.get(); }
  std::function<bool(const torch::Tensor&)> reads_in_place() const override {
    return sums().reads_in_place();
  }

  void reduce(const std::vector<PartialSum>& own) override {
    first_ = own.front();
    const Slice all{0, arena_.contribution_count()};
    early_ != nullptr ? early_->finish(own) : exchange(own, {&all, 1});
    if (between() != nullptr) domain_.barrier("sums of other domains are there");
    find_rest();
  }

  double loss() const override { return rest().loss(); }

  double norm() override {
    if (norm_ == nullptr) norm_ = std::make_unique<SliceNorm>(domain_, arena_);
    return norm_->of(means_, parted_slots() != nullptr);
  }

  // In place: .grad is where this rank's first partial sum was.
  void average() override {
    check(parted_slots() == nullptr, "whoever averages has all of the mean");
    sums().allow_writes();
    AT_DISPATCH_FLOATING_TYPES(rest_.scalar_type(), "average",
                               [&] { means_.each<scalar_t>(sums().putting_in_place<scalar_t>()); });
    domain_.barrier("means are there");
    rest().give_gradients(std::exchange(first_, {}));
    rest().take_over_buffers();
  }

  void apply(FlatOptimizer* optimizer, const UpdateRate& rate) override {
    first_ = {};
    if (optimizer != nullptr && !updates_slices_) return gathered().apply(optimizer, rate);
    if (optimizer != nullptr) update_mine(*optimizer, rate);
    if (optimizer != nullptr && parted_slots() != nullptr) between()->share(arena_.writable_values(), 0, 1);
    rest().take_over_buffers();
    domain_.barrier("parameters are there");
  }

  // The next micro-batches are written where somebody may still read.
  void leave() override {
    first_ = {};
    domain_.barrier("nothing is updated");
  }

 private:
  CommonSums& sums() const { return means_.sums(); }
  DomainMean* between() const { return means_.between(); }

  void exchange(const std::vector<PartialSum>& own, std::span<const Slice> ranges) {
    sums().gather(domain_, own);
    if (between() == nullptr) return;
    // What is parted needs no more than its own part.
    const auto part = parted_slots() == nullptr ? DomainMean::Part::kLocal : DomainMean::Part::kOwn;
    between()->exchange(sums(), ranges, part);
  }

  void find_rest() const {
    const Slice range{arena_.trainable_count(), arena_.contribution_count()};
    const std::vector<torch::Tensor> none;
    AT_DISPATCH_FLOATING_TYPES(rest_.scalar_type(), "find_rest", [&] {
      sums().each_mean<scalar_t>(range, between() == nullptr ? none : between()->other_rests(),
                                 CommonSums::copying_to(rest_.mutable_data_ptr<scalar_t>(), range.begin));
    });
  }

  // Without the gradients.
  StepMean rest() const { return {arena_, {}, rest_}; }

  StepMean gathered() {
    if (rows_ == nullptr) rows_ = MeanRows::make(domain_, arena_);
    AT_DISPATCH_FLOATING_TYPES(rest_.scalar_type(), "gathered", [&] {
      means_.each<scalar_t>([&](std::int64_t first, std::int64_t count, const PendingMean<scalar_t>& mean) {
        std::array<scalar_t, TreeSum::kStretch> made;
        write_mean(mean, count, made.data());
        rows_->write(first, count, made.data());
      });
    });
    domain_.barrier("means are there");
    return {arena_, rows_->mine(), rest_};
  }

  void update_mine(FlatOptimizer& optimizer, const UpdateRate& rate) {
    optimizer.begin_update(rate.lr, rest().reached(), rate.scale);
    AT_DISPATCH_FLOATING_TYPES(rest_.scalar_type(), "update_mine", [&] {
      means_.each<scalar_t>([&](std::int64_t first, std::int64_t count, const PendingMean<scalar_t>& mean) {
        optimizer.update_part(first, count, mean);
      });
    });
  }

  HostDomain& domain_;
  const ModelArena& arena_;
  SliceMeans means_;
  PartialSum first_;                      // of this rank and step, until its verb
  torch::Tensor rest_;                    // the mean behind the gradients: buffers, loss, who was reached
  bool is_sharded_;                       // between domains
  bool updates_slices_ = false;           // each rank its own, of the one copy
  std::unique_ptr<CommonState> state_;    // null: there is one rank, or each has a copy
  std::unique_ptr<SliceNorm> norm_;       // once somebody has asked
  std::unique_ptr<EarlyExchange> early_;  // null: gradients leave after backward
  std::unique_ptr<MeanRows> rows_;        // for an optimizer that has a state of each rank
};

}  // namespace

std::unique_ptr<GradientExchange> make_shared_exchange(HostDomain& domain, const ModelArena& arena,
                                                       const ExchangePlan& plan) {
  // In one domain there is nothing to overlap with. What leaves early is copied to where all can read it.
  const auto way =
      domain.domains().size() > 1 ? EarlyExchange::way(domain.world(), arena, plan) : std::nullopt;
  auto sums = CommonSums::make(domain, arena, plan.micro_batches,
                               way ? CommonSums::Born::kNone : CommonSums::Born::kLarge);
  if (sums == nullptr) return nullptr;
  auto exchange = std::make_unique<SharedExchange>(domain, arena, std::move(sums), plan);
  if (way) exchange->leave_early(*way);
  return exchange;
}

}  // namespace lockstep
