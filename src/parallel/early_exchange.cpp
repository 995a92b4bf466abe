// SPDX-License-Identifier: Apache-2.0
#include "parallel/early_exchange.h"

#include <algorithm>
#include <utility>

#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "parallel/gradient_exchange.h"
#include "parallel/spare_cores.h"

namespace lockstep {
namespace {

BucketSizes sizes_of(double bucket_mb) {
  const auto bytes = static_cast<std::int64_t>(bucket_mb * (1 << 20));
  return {std::min<std::int64_t>(bytes, 1 << 20), bytes};
}

}  // namespace

std::optional<EarlyExchange::Way> EarlyExchange::way(World& world, const ModelArena& arena,
                                                     const ExchangePlan& plan) {
  if (world.size().value == 1 || arena.trainable_count() == 0 || plan.overlap == "off") return std::nullopt;
  if (!arena.values().is_cpu()) return Way{"on a stream of their own", plan.bucket_mb};
  Way way{"by a thread of each rank", plan.bucket_mb};
  if (plan.overlap == "on") return way;
  const CoreShare share = share_of_cores(world, at::get_num_threads());
  way.how += ": " + share.text();
  if (share.spare) return way;
  if (world.is_root()) log_info("gradients leave after backward, as no core is free: {}", share.text());
  return std::nullopt;
}

EarlyExchange::EarlyExchange(World& world, const ModelArena& arena, const Way& way, Reduce reduce)
    : world_(world),
      arena_(arena),
      reduce_(std::move(reduce)),
      carrier_(arena.values().is_cpu() ? make_thread_carrier(world.shared_watch())
                                       : make_stream_carrier(arena.values().device())),
      sizes_(sizes_of(way.bucket_mb)) {
  cut({});
  if (world.is_root()) log_info("gradients leave during backward, {}", way.how);
}

void EarlyExchange::cut(const std::vector<std::int64_t>& order) {
  buckets_ = cut_into_buckets(arena_, order, sizes_);
  bucket_of_.resize(arena_.trainable().size());
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket)
    for (const std::size_t index : buckets_[bucket].parameters) bucket_of_[index] = bucket;
}

void EarlyExchange::begin_step() {
  left_ = 0;
  spoiled_.assign(buckets_.size(), 0);
  if (stage_ == Stage::kLate) stage_ = Stage::kEarly;
}

void EarlyExchange::begin_last(ContributionStack& stack) {
  const std::lock_guard lock(mutex_);
  stack_ = &stack;
  order_.clear();
  missing_.clear();
  for (const Bucket& bucket : buckets_) missing_.push_back(bucket.parameters.size());
  if (stage_ == Stage::kEarly) sums_ = stack.sums_to_be();
}

void EarlyExchange::arrived(std::size_t index) {
  const std::lock_guard lock(mutex_);
  if (stack_ == nullptr) return;
  order_.push_back(static_cast<std::int64_t>(index));
  if (stage_ != Stage::kEarly) return;
  carrier_->join_current_stream();
  --missing_[bucket_of_[index]];
  while (left_ < buckets_.size() && missing_[left_] == 0) leave(left_++);
}

void EarlyExchange::leave(std::size_t bucket) {
  std::vector<ContributionStack::Merge> merges;
  for (const Slice& range : buckets_[bucket].ranges)
    for (ContributionStack::Merge& merge : stack_->hand_over(range)) merges.push_back(std::move(merge));
  carrier_->carry([this, merges = std::move(merges), bucket] {
    const torch::NoGradGuard no_grad;
    fault_point("bucket", static_cast<std::int64_t>(bucket));
    for (const ContributionStack::Merge& merge : merges) merge.left.add_(merge.right);
    reduce_(sums_, buckets_[bucket].ranges);
  });
}

void EarlyExchange::end_last() {
  const std::lock_guard lock(mutex_);
  stack_ = nullptr;
}

void EarlyExchange::begin_again() {
  if (stage_ == Stage::kFirst) return;
  stage_ = Stage::kLate;
  carrier_->wait();
  std::fill_n(spoiled_.begin(), left_, 1);
}

void EarlyExchange::drain(const ContributionStack& stack) {
  if (stage_ != Stage::kFirst) leave_all(stack.sums_to_be());
}

void EarlyExchange::leave_all(const std::vector<PartialSum>& sums) {
  carrier_->wait();
  for (; left_ < buckets_.size(); ++left_) reduce_(sums, buckets_[left_].ranges);
}

void EarlyExchange::finish(const std::vector<PartialSum>& sums) {
  leave_all(sums);
  if (stage_ != Stage::kFirst) repeat_spoiled(sums);
  const Slice rest{arena_.trainable_count(), arena_.contribution_count()};
  reduce_(sums, {&rest, 1});
  if (stage_ == Stage::kFirst) agree_on_order();
}

void EarlyExchange::repeat_spoiled(const std::vector<PartialSum>& sums) {
  const MutableSpan flags{spoiled_.data(), spoiled_.size(), DType::kInt64};
  world_.host().all_reduce(flags, flags, ReduceOp::kMax);
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket)
    if (spoiled_[bucket] != 0) reduce_(sums, buckets_[bucket].ranges);
}

void EarlyExchange::agree_on_order() {
  order_.resize(arena_.trainable().size(), -1);
  world_.host().broadcast({order_.data(), order_.size(), DType::kInt64}, Rank(0));
  std::erase(order_, -1);
  cut(order_);
  stage_ = Stage::kEarly;
}

}  // namespace lockstep
