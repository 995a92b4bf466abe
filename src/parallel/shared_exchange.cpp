// SPDX-License-Identifier: Apache-2.0
#include <ATen/Dispatch.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "comm/agree.h"
#include "comm/domain/host_domain.h"
#include "lockstep/base/error.h"
#include "optim/clip.h"
#include "parallel/common_sums.h"
#include "parallel/common_tensors.h"
#include "parallel/gradient_exchange.h"
#include "parallel/mean_rows.h"
#include "parallel/parameter_versions.h"
#include "parallel/slice.h"
#include "parallel/step_mean.h"

namespace lockstep {
namespace {

// Of a pass that sums and updates: what was summed is still in the first cache when it is used.
constexpr std::int64_t kStretch = 4096;

class SharedExchange : public GradientExchange {
 public:
  SharedExchange(HostDomain& domain, const ModelArena& arena, std::unique_ptr<CommonSums> sums)
      : domain_(domain),
        arena_(arena),
        sums_(std::move(sums)),
        rest_(
            torch::zeros({arena.contribution_count() - arena.trainable_count()}, arena.values().options())) {
    const auto cut = [&](int rank) {
      return std::min(norm_blocks() * rank / domain.size() * kNormBlock, arena.trainable_count());
    };
    mine_ = {cut(domain.rank()), cut(domain.rank() + 1)};
  }

  bool share_state(ModelArena& arena, FlatOptimizer& optimizer) override {
    if (!optimizer.updates_in_parts()) return false;
    shares_state_ = domain_.size() == 1;
    if (shares_state_) return true;
    const std::vector<torch::Tensor> room = room_for(arena, optimizer);
    if (room.empty()) return false;
    arena.move_to(room.front(), domain_.rank() == 0);
    optimizer.move_to(arena.trainable_values(), {room.begin() + 1, room.end()});
    domain_.barrier("the state is in common");
    shares_state_ = true;
    state_was_written();
    return true;
  }

  void state_was_written() override { written_.note(arena_); }
  std::optional<Fault> touched() const override {
    if (!shares_state_ || domain_.size() == 1) return std::nullopt;
    const std::string changed = written_.changed(arena_);
    if (changed.empty()) return std::nullopt;
    return Fault(ExitCode::kConfig,
                 fmt::format("parameter {} was changed in place between two updates", changed),
                 "The ranks of this host have one copy of it. Leave it to the optimizer, or give each rank "
                 "its own: dist.shared_memory: false (in a loop of one's own ParallelOptions::host_memory)");
  }

  std::vector<torch::Tensor> contributions() const override { return sums_->slots(); }
  std::function<bool(const torch::Tensor&)> reads_in_place() const override {
    return sums_->reads_in_place();
  }

  void reduce(const std::vector<PartialSum>& sums) override {
    sums_->gather(domain_, sums);
    means_of({arena_.trainable_count(), arena_.contribution_count()}, rest_);
  }

  double loss() const override { return rest().loss(); }

  double norm() override {
    if (!squares_.defined()) squares_ = required_in_common(domain_, norm_blocks(), torch::kFloat64);
    AT_DISPATCH_FLOATING_TYPES(rest_.scalar_type(), "norm", [&] {
      double* const squares = squares_.mutable_data_ptr<double>();
      sums_->each_stretch<scalar_t>(mine_.begin, mine_.end, kNormBlock,
                                    [&](std::int64_t first, std::int64_t count, const scalar_t* mean) {
                                      squares[first / kNormBlock] = sum_of_squares(mean, count);
                                    });
    });
    domain_.barrier("squares are there");
    double sum = 0;
    for (std::int64_t i = 0; i < squares_.numel(); ++i) sum += squares_.const_data_ptr<double>()[i];
    return std::sqrt(sum);
  }

  void average() override {
    const StepMean mean = gathered();
    mean.give_gradients();
    mean.take_over_buffers();
  }

  void apply(FlatOptimizer* optimizer, const UpdateRate& rate) override {
    if (optimizer != nullptr && !shares_state_) return gathered().apply(optimizer, rate);
    if (optimizer != nullptr) update_mine(*optimizer, rate);
    rest().take_over_buffers();
    domain_.barrier("parameters are there");
  }

  // The next micro-batches are written where somebody may still read.
  void leave() override { domain_.barrier("nothing is updated"); }

 private:
  // Collective. For the arena's values and each slot; empty where there is none.
  std::vector<torch::Tensor> room_for(const ModelArena& arena, const FlatOptimizer& optimizer) const {
    const std::int64_t trainable = arena.trainable_count();
    const auto options = arena.values().options();
    std::vector<torch::Tensor> room = {
        zeros_in_common(domain_, {arena.values().numel(), trainable}, options)};
    const std::size_t wanted = 1 + optimizer.slots().size();
    while (room.back().defined() && room.size() < wanted)
      room.push_back(zeros_in_common(domain_, trainable, options));
    return room.back().defined() ? room : std::vector<torch::Tensor>();
  }

  void means_of(Slice range, const torch::Tensor& into) const {
    AT_DISPATCH_FLOATING_TYPES(into.scalar_type(), "means_of", [&] {
      scalar_t* const out = into.mutable_data_ptr<scalar_t>();
      sums_->each_stretch<scalar_t>(range.begin, range.end, kStretch,
                                    [&](std::int64_t first, std::int64_t count, const scalar_t* mean) {
                                      std::copy_n(mean, count, out + (first - range.begin));
                                    });
    });
  }

  // Without the gradients.
  StepMean rest() const { return {arena_, {}, rest_}; }

  std::int64_t norm_blocks() const { return (arena_.trainable_count() + kNormBlock - 1) / kNormBlock; }

  StepMean gathered() {
    if (rows_ == nullptr) rows_ = MeanRows::make(domain_, arena_);
    AT_DISPATCH_FLOATING_TYPES(rest_.scalar_type(), "gathered", [&] {
      sums_->each_stretch<scalar_t>(mine_.begin, mine_.end, kStretch,
                                    [&](std::int64_t first, std::int64_t count, const scalar_t* mean) {
                                      rows_->write(first, count, mean);
                                    });
    });
    domain_.barrier("means are there");
    return {arena_, rows_->mine(), rest_};
  }

  void update_mine(FlatOptimizer& optimizer, const UpdateRate& rate) {
    optimizer.begin_update(rate.lr, rest().reached());
    AT_DISPATCH_FLOATING_TYPES(rest_.scalar_type(), "update_mine", [&] {
      const auto scale = static_cast<scalar_t>(rate.scale);
      sums_->each_stretch<scalar_t>(mine_.begin, mine_.end, kStretch,
                                    [&](std::int64_t first, std::int64_t count, const scalar_t* mean) {
                                      if (rate.scale == 1) return optimizer.update_part(first, count, mean);
                                      std::array<scalar_t, kStretch> scaled;
                                      for (std::int64_t i = 0; i < count; ++i)
                                        scaled[static_cast<std::size_t>(i)] = mean[i] * scale;
                                      optimizer.update_part(first, count, scaled.data());
                                    });
    });
  }

  HostDomain& domain_;
  const ModelArena& arena_;
  std::unique_ptr<CommonSums> sums_;
  Slice mine_;
  torch::Tensor rest_;     // the mean behind the gradients: buffers, loss, who was reached
  torch::Tensor squares_;  // in common: of each block of the gradient
  bool shares_state_ = false;
  ParameterVersions written_;
  std::unique_ptr<MeanRows> rows_;  // where the state is not in common
};

}  // namespace

std::unique_ptr<GradientExchange> make_shared_exchange(HostDomain& domain, const ModelArena& arena,
                                                       int micro_batches) {
  auto sums = CommonSums::make(domain, arena, micro_batches);
  if (sums == nullptr) return nullptr;
  return std::make_unique<SharedExchange>(domain, arena, std::move(sums));
}

}  // namespace lockstep
